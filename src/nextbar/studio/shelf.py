"""The runs that the studio was given, loaded in a thread of their own after the page is up."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.errors import NextbarError, RunError, UsageError
from nextbar.shipped import MODELS, name_of

if TYPE_CHECKING:
    from nextbar.studio.desk import Desk


class Shelf:
    """The runs by fingerprint; nothing else is ever read.

    ``failed`` says of each run that could not be loaded why.
    """

    def __init__(self, paths: Sequence[Path], named: Sequence[tuple[Path, str]] = ()) -> None:
        """named: more runs, each with the name that it was given."""
        self.paths = [*paths, *(path for path, _ in named)]
        self._names = [*_names(paths), *(name for _, name in named)]
        self.desks: dict[str, Desk] = {}
        self.failed: list[dict[str, str]] = []
        self._done = threading.Event()

    def start_loading(self) -> None:
        """Loads one run after the other, and then what sound needs."""
        threading.Thread(target=self._load, name="nextbar-loading", daemon=True).start()

    def _load(self) -> None:
        try:
            from nextbar.studio.desk import Desk, instrument_wav

            for path, name in zip(self.paths, self._names, strict=True):
                try:
                    desk = Desk(path, name)
                    self.desks.setdefault(desk.fingerprint, desk)
                except NextbarError as error:
                    self.failed.append({"name": name, "error": str(error)})
        except BaseException as error:  # the page says it; the thread has nobody to say it to
            self.failed.append({"name": "all runs", "error": f"{type(error).__name__}: {error}"})
            raise
        finally:
            self._done.set()
        try:
            instrument_wav()  # now, so that the first note need not wait for it
        except UsageError:
            return  # the extra `audio` is missing; the page is told when it asks

    def add(self, path: Path, name: str) -> str:
        """Opens one more run; gives its fingerprint. Raises RunError where that cannot be."""
        from nextbar.studio.desk import Desk

        desk = Desk(path, name)
        self.desks.setdefault(desk.fingerprint, desk)
        return desk.fingerprint

    def _open_shipped(self, fingerprint: str) -> None:
        """Opens the model that comes along, if it is that one."""
        from nextbar.frames.checkpoint import digest_of

        for model in MODELS.values():
            if digest_of(model.folder) == fingerprint:
                self.add(model.folder, model.title)

    @property
    def is_loading(self) -> bool:
        """Whether there are runs that are neither loaded nor failed."""
        return not self._done.is_set()

    def describe(self) -> dict[str, Any]:
        """The loaded runs, those that failed, and whether others are still being loaded."""
        return {
            "loading": self.is_loading,
            "runs": [desk.describe() for desk in list(self.desks.values())],
            "failed": list(self.failed),
        }

    async def desk(self, fingerprint: str) -> "Desk":
        """The run of that fingerprint, waited for while runs are being loaded; else RunError."""
        while fingerprint not in self.desks and self.is_loading:
            await asyncio.sleep(0.05)
        if fingerprint not in self.desks:  # a piece that somebody sent
            await asyncio.to_thread(self._open_shipped, fingerprint)
        if fingerprint not in self.desks:
            known = ", ".join(f"{d.name} ({key[:8]})" for key, d in self.desks.items()) or "none"
            raise RunError(
                f"the run {fingerprint[:8]} is not open here, only {known}; "
                "start the studio with the run that made this piece"
            )
        return self.desks[fingerprint]


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each run: its folder's, with the parent's where two are alike.

    Those that come along have names that say what they write.
    """
    shipped = [name_of(path.resolve()) for path in paths]
    short = [
        path.resolve().name if name is None else MODELS[name].title
        for path, name in zip(paths, shipped, strict=True)
    ]
    return [
        name if short.count(name) == 1 else f"{path.resolve().parent.name}/{name}"
        for path, name in zip(paths, short, strict=True)
    ]
