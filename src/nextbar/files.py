"""Writing that a crash cannot halve: files and folders are made beside, then renamed into place."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nextbar.errors import OutputError


def write_bytes_atomically(path: str | Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``data`` to ``path``: whoever looks finds the old file or the whole new one.

    Missing parent folders are made. durable: wait until the disk has it (for
    what took hours to compute; it costs milliseconds a file). Raises
    OutputError where it cannot be written; the old file is then untouched.
    """
    path = Path(path)
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(_explain(path, error)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_json_atomically(path: str | Path, value: Any, *, durable: bool = False) -> None:
    """Write ``value`` as indented JSON with sorted keys: the same value gives the same bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    data = text.encode("utf-8", "backslashreplace")
    write_bytes_atomically(path, data, durable=durable)


@contextmanager
def folder_written_whole(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """A new folder beside ``path`` to write into; it becomes ``path`` when the block ends well.

    On any exception, KeyboardInterrupt too, it is removed and ``path`` stays
    as it was. replace: an existing folder with content gives way to the new
    one; otherwise it raises OutputError. An OSError in the block, as of a full
    disk, becomes an OutputError.
    """
    path = Path(path)
    if _is_taken(path) and not (replace and path.is_dir()):
        raise taken(path)
    beside = _beside(path)
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        yield beside
        _move_into_place(beside, path)
    except OSError as error:
        raise OutputError(_explain(path, error)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a block of the folder, where the system can tell.

    For a file of it that is read and written anew: two at once would lose what one has added.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk that knows no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody uses: a rename within one disk is atomic."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}.partial")


def taken(path: Path) -> OutputError:
    """What is raised where something stands already that must not be written over."""
    return OutputError(f"{path} exists already; choose another name, or remove it first")


def _is_taken(path: Path) -> bool:
    try:
        return path.exists() and not (path.is_dir() and not any(path.iterdir()))
    except OSError as error:
        raise OutputError(_explain(path, error)) from error


def _move_into_place(beside: Path, path: Path) -> None:
    if not path.exists():
        os.rename(beside, path)
        return
    old = _beside(path)
    os.rename(path, old)
    try:
        os.rename(beside, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _explain(path: Path, error: OSError) -> str:
    """What went wrong in a sentence that says what to do."""
    advice = {
        PermissionError: "no permission to write there; choose another place",
        NotADirectoryError: "a part of this path is a file, not a folder; choose another place",
        FileExistsError: "a part of this path is a file, not a folder; choose another place",
        IsADirectoryError: "a folder of that name is in the way; choose another name",
    }.get(type(error), f"{error.strerror or error}; is there space on the disk?")
    return f"{path} could not be written: {advice}"
