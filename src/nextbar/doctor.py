"""What is there to work with on this machine, and what to do about what is missing."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from nextbar._version import __version__
from nextbar.errors import NextbarError, UsageError
from nextbar.shipped import MODELS
from nextbar.workers import usable_cores

TRIED: Final = ((3, 11), (3, 13))
"""The oldest and the newest Python that the tests are written for."""
LEAST_BYTES: Final = 2 * 10**9
"""What a corpus, a run and some hundred pieces with WAV take together, at most."""
EXTRAS: Final = {
    "audio": "WAV files, and the studio's piano",
    "folk": "MusicXML, --chords, and the tunes that music21 brings along",
    "hub": "models on a hub: hub:OWNER/NAME, export --push",
    "midi": "nextbar jam, and MIDI ports",
    "studio": "nextbar studio, and export --web",
    "video": "the examples that are not music",
}
"""What each extra is for; what is in it stands in the package's own metadata."""


class Fact(NamedTuple):
    """Something that was looked at: what was found, and what to do, "" where nothing.

    is_needed: nothing works without it, and it is missing.
    """

    what: str
    found: str
    advice: str = ""
    is_needed: bool = False


def facts(folder: Path) -> list[Fact]:
    """All that was looked at, in a second or two; folder: whose disk is looked at."""
    return [
        Fact("nextbar", f"{__version__}, in {Path(__file__).parent}"),
        _python(),
        *_torch(),
        _models(),
        *(_extra(name, what_for) for name, what_for in EXTRAS.items()),
        _browser(),
        _disk(folder),
    ]


def to_json(found: list[Fact]) -> dict[str, Any]:
    """As JSON can hold it: by what was looked at."""
    return {
        fact.what: {"found": fact.found, **({"advice": fact.advice} if fact.advice else {})}
        for fact in found
    }


def _python() -> Fact:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if TRIED[0] <= sys.version_info[:2] <= TRIED[1]:
        return Fact("Python", found)
    known = " to ".join(".".join(map(str, each)) for each in TRIED)
    return Fact("Python", found, f"nextbar is tried with {known}; with others it may work")


def _torch() -> Iterator[Fact]:
    """PyTorch, and what it computes on."""
    try:
        import torch

        from nextbar.frames.replicas import choose_device, choose_precision
    except (ImportError, OSError) as error:  # on Windows OSError where a library of it is missing
        reinstall = "install it anew: pip install --force-reinstall torch"
        yield Fact("PyTorch", f"cannot be loaded: {error}", reinstall, is_needed=True)
        return
    yield Fact("PyTorch", str(torch.__version__))
    cpu = torch.device("cpu")
    computes = choose_precision(cpu)
    yield Fact(
        "processor",
        f"{usable_cores()} cores, PyTorch uses {torch.get_num_threads()}; computes in {computes}",
        ""
        if computes == "bfloat16"
        else "it has no bfloat16 (AVX-512): the preset paper trains slower here; the others hardly",
    )
    device = choose_device("auto")
    if device.type == "cpu":
        advice = "none is needed but for the preset paper; a GPU needs PyTorch's build for it"
        yield Fact("accelerator", "none that PyTorch can use", advice)
    else:
        named = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        yield Fact("accelerator", f"{named}, computes in {choose_precision(device)}")


def _models() -> Fact:
    missing = [name for name, each in MODELS.items() if not (each.folder / "run.json").is_file()]
    if missing:
        advice = "install nextbar anew: pip install --force-reinstall nextbar"
        return Fact("models", f"{', '.join(missing)} missing", advice, is_needed=True)
    return Fact("models", ", ".join(MODELS))


def _extra(name: str, what_for: str) -> Fact:
    """Whether all packages of an extra are installed; sound is looked at as it will be used."""
    found, missing = [], []
    for package in packages_of(name):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    if not missing and name == "audio":
        from nextbar.music.audio import find_soundfont

        try:
            find_soundfont()
        except UsageError as error:
            return Fact(name, str(error), f"pip install --force-reinstall 'nextbar[{name}]'")
    if not found and not missing:
        advice = f"install nextbar anew, for {what_for}: pip install 'nextbar[{name}]'"
        return Fact(name, "this installation, which is older, does not know it", advice)
    if missing:
        advice = f"for {what_for}: pip install 'nextbar[{name}]'"
        return Fact(name, f"without {', '.join(missing)}", advice)
    return Fact(name, f"{', '.join(found)}: {what_for}")


def packages_of(extra: str) -> list[str]:
    """The packages of an extra, as nextbar's metadata has them."""
    required = importlib.metadata.requires("nextbar") or []
    ours = [line for line in required if re.search(rf"""extra\s*==\s*["']{extra}["']""", line)]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in ours]


def _browser() -> Fact:
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        advice = (
            "open the address that nextbar studio prints by hand, or from another machine: --host"
        )
        return Fact("browser", "none is known here", advice)
    return Fact("browser", getattr(found, "name", None) or "the system's own")


def _disk(folder: Path) -> Fact:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise NextbarError(f"{folder} cannot be looked at: {error.strerror or error}") from error
    found = f"{free / 1e9:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Fact("disk", f"{found}, which cannot be written to", "work in another folder")
    advice = "" if free >= LEAST_BYTES else "music, runs and a corpus together take up to 2 GB"
    return Fact("disk", found, advice)
