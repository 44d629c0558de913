"""Models made of somebody's own files, each learnt by a process of its own.

    FOLDER/NAME-1a2b3c/job.json    its name, the base's fingerprint
    FOLDER/NAME-1a2b3c/files/      what was dropped on the page
    FOLDER/NAME-1a2b3c/run/        the run; nothing else of the folder is read

It can be stopped, and goes on from where it was. Without a folder that was
chosen, all is in a temporary one, and goes with the studio.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nextbar.errors import UsageError
from nextbar.files import write_bytes_atomically

WORKER = "nextbar.studio.adapt_worker"
"""The module that a process runs."""
MOST_FILES: Final = 50
MOST_JOBS: Final = 20
MOST_SAID: Final = 60
PATIENCE: Final = 20.0
"""Seconds that a process may take to lay down its work when the studio ends."""

CAN_INTERRUPT: Final = os.name == "posix"
"""Whether a process can be asked to end. Windows can only end it."""


@dataclass
class Job:
    """One model in the making. state: files, running, stopped, failed, done."""

    id: str
    name: str
    base: str
    folder: Path
    state: str = "files"
    files: list[str] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    done: int = 0
    of: int = 0
    fingerprint: str | None = None
    process: "subprocess.Popen[str] | None" = None

    @property
    def run(self) -> Path:
        """The folder of its run."""
        return self.folder / "run"

    def describe(self) -> dict[str, Any]:
        """What the page has to know of it."""
        names = ("id", "name", "base", "state", "files", "says", "done", "of", "fingerprint")
        return {name: getattr(self, name) for name in names}


class Adaptations:
    """The jobs by their ids; one learns at a time. ``is_kept``: whether the folder was chosen.

    on_done: is called with a finished job, in a thread of its own, and gives the
    fingerprint of the run that is then open.
    """

    def __init__(self, folder: Path | None, on_done: Callable[[Job], str]) -> None:
        self.is_kept = folder is not None
        self._temporary = None if folder else tempfile.mkdtemp(prefix="nextbar-models-")
        self.folder = Path(folder or self._temporary or "")
        self.jobs: dict[str, Job] = {}
        self._on_done, self._lock = on_done, threading.Lock()
        self._find()

    def _known(self) -> Iterator[tuple[Job, bool]]:
        """The jobs of an earlier studio, and whether each was done."""
        for path in sorted(self.folder.glob("*/job.json")):
            try:
                told = json.loads(path.read_text("utf-8"))
                job = Job(str(told["id"]), str(told["name"]), str(told["base"]), path.parent)
                is_done = bool(told.get("done"))
            except (OSError, AttributeError, KeyError, TypeError, ValueError):
                continue  # no job of ours
            yield job, is_done

    def _find(self) -> None:
        """The jobs of an earlier studio that were not done."""
        for job, is_done in self._known():
            if not is_done:
                job.state = "stopped"
                job.files = sorted(each.name for each in (job.folder / "files").glob("*"))
                self.jobs[job.id] = job

    def finished(self) -> list[tuple[Path, str]]:
        """The runs that were made before, and their names."""
        return [(job.run, job.name) for job, is_done in self._known() if is_done]

    def job(self, wanted: str) -> Job:
        """The job of an id. UsageError where there is none."""
        if wanted not in self.jobs:
            raise UsageError("there is no such model in the making; begin it anew")
        return self.jobs[wanted]

    def begin(self, name: str, base: str) -> Job:
        """A job without files. base: the fingerprint of the run that is adapted."""
        with self._lock:
            if len(self.jobs) >= MOST_JOBS:
                raise UsageError(f"{MOST_JOBS} models were begun here; start the studio anew")
            identity = secrets.token_hex(6)
            safe = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "model"
            job = Job(
                identity, name.strip()[:60] or "My model", base, self.folder / f"{safe}-{identity}"
            )
            (job.folder / "files").mkdir(parents=True)
            self.jobs[identity] = job
            self._write(job)
            return job

    def _write(self, job: Job) -> None:
        told = {"id": job.id, "name": job.name, "base": job.base, "done": job.state == "done"}
        write_bytes_atomically(job.folder / "job.json", json.dumps(told).encode())

    def add(self, job: Job, name: str, data: bytes) -> None:
        """One file more, under a name that is safe; its bytes are read by the process alone."""
        if job.state != "files":
            raise UsageError("this model has begun to learn; begin another one for other files")
        if len(job.files) >= MOST_FILES:
            raise UsageError(f"up to {MOST_FILES} files are learnt from; of more train a model")
        stem, dot, suffix = Path(name).name.rpartition(".")
        safe = re.sub(r"[^\w -]+", "_", stem if dot else name)[:80]
        kind = re.sub(r"[^A-Za-z0-9]+", "", suffix)[:10] if dot else ""
        kept = f"{len(job.files) + 1:02} {safe}.{kind}"
        (job.folder / "files" / kept).write_bytes(data)
        job.files.append(kept)

    def start(self, job: Job, base: Path) -> None:
        """Begins to learn, or goes on."""
        with self._lock:
            if any(each.state == "running" for each in self.jobs.values()):
                raise UsageError("another model is learning; wait until it is done, or stop it")
            if job.state == "done" or not job.files:
                raise UsageError("there is nothing to learn from; give one file or more")
            words = [sys.executable, "-m", WORKER, str(base)]
            words += [str(job.folder / "files"), str(job.run)]
            job.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
            )
            job.state, job.says, job.done, job.of = "running", [], 0, 0
        threading.Thread(target=self._follow, args=(job, job.process), daemon=True).start()

    def _follow(self, job: Job, process: "subprocess.Popen[str]") -> None:
        """Reads what the process says, until it ends."""
        assert process.stdout is not None
        failed = ""
        with process.stdout as said:
            for line in said:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue  # not of ours
                if "says" in told:
                    job.says = [*job.says, str(told["says"])[:400]][-MOST_SAID:]
                elif "error" in told:
                    failed = str(told["error"])[:800]
                else:
                    job.done, job.of = int(told["done"]), int(told["of"])
        code = process.wait()
        job.process = None
        if code == 0:
            try:
                job.fingerprint = self._on_done(job)
                job.state = "done"
                self._write(job)
            except Exception as error:  # the page says it; the thread has nobody to say it to
                job.says, job.state = [*job.says, str(error)], "failed"
        elif failed:
            job.says, job.state = [*job.says, failed], "failed"
        else:
            job.state = "stopped"

    def stop(self, job: Job) -> None:
        """Ends the process behind its next step; what it has learnt is kept."""
        if job.process is not None:
            _interrupt(job.process)

    def close(self) -> None:
        """Ends all; a temporary folder goes."""
        running = [job.process for job in self.jobs.values() if job.process is not None]
        for process in running:
            _interrupt(process)
        for process in running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Asks it to end behind its next step; where no signal can, it ends at its last checkpoint."""
    if CAN_INTERRUPT:
        process.send_signal(signal.SIGINT)
    else:
        process.terminate()
