"""A model as one file that travels: a zip of a run's safetensors and JSON, and the list of them.

    MODEL.nextbar
        nextbar.json              what the file is, and of each other member its bytes and sha256
        run.json, checkpoint.safetensors, ...    as in the folder that ``nextbar export`` writes
        card.md                   the same for people

Members are stored as they are, not compressed: the file is as large as what comes
out of it, so none can burst. Whoever opens one checks everything that the zip says
before the first byte is written, and every byte against the list; then it is a run
folder for as long as the process lives. Nothing in it is executed.
"""

import atexit
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from nextbar._version import __version__
from nextbar.errors import RunError
from nextbar.files import taken, write_bytes_atomically

SUFFIX: Final = ".nextbar"
LIST, KIND, FORMAT = "nextbar.json", "nextbar model", 1
CARD: Final = "card.md"
MOST_BYTES: Final = {
    LIST: 2**16,
    "run.json": 2**24,
    "checkpoint.safetensors": 2**31,
    "fingerprints.safetensors": 2**31,
    "bands.json": 2**24,
    CARD: 2**20,
}
"""What may be in such a file, by name, and how large it may be."""
LARGEST: Final = sum(MOST_BYTES.values())
NEEDED: Final = (LIST, "run.json", "checkpoint.safetensors")
_AT_ONCE: Final = 2**20
_END: Final = struct.Struct("<4s4H2LH")
"""The end of a zip: mark, two numbers of disks, members here, members, directory's bytes, ..."""
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
"""The time of each member: the same model gives the same file."""

_opened: dict[tuple[Any, ...], Path] = {}
_given: dict[Path, str] = {}


def check_free(out: Path) -> None:
    """Raises OutputError where there is something of that name already."""
    if out.exists():
        raise taken(out)


def write_one_file(out: Path, run: Path, card: str) -> None:
    """Writes a run that only writes as the file ``out``. card: what ``card.md`` says.

    Raises OutputError where something of that name is there, or cannot be written.
    """
    check_free(out)
    members = {
        path.name: path.read_bytes() for path in sorted(run.iterdir()) if path.name in MOST_BYTES
    }
    members[CARD] = card.encode()
    listed = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    about = {"kind": KIND, "format": FORMAT, "nextbar": __version__, "files": listed}
    text = json.dumps(about, indent=2, sort_keys=True) + "\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {LIST: text.encode(), **members}.items():
            member = zipfile.ZipInfo(name, _WHEN)
            member.create_system = 3  # the same bytes on any system
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data)
    write_bytes_atomically(out, packed.getvalue(), durable=True)


def opened(file: Path, named: str | None = None) -> Path:
    """The run folder that is in the file, unpacked where the process's end removes it.

    The same file is unpacked once. The folder's name is the file's, without its ending. named:
    what stands for it in a command, where that is not its path. Raises RunError for a file that
    is damaged, or no model of nextbar.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}") from error
    key = (file.absolute(), state.st_size, state.st_mtime_ns, state.st_ino)
    folder = _opened.get(key)
    if folder is None or not folder.is_dir():
        folder = _opened[key] = _unpack(file)
    _given[folder] = named or str(file)
    return folder


def given_as(folder: Path) -> str | None:
    """What a folder was unpacked from, as it was given; None of any other folder."""
    return _given.get(folder)


def _unpack(file: Path) -> Path:
    try:
        with file.open("rb") as stream:
            _check_end(stream, file)
            with zipfile.ZipFile(stream) as archive:
                listed = _check_members(archive, file)
                return _write_out(archive, listed, file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _damaged(file, str(error)) from error
    except (EOFError, ValueError, OverflowError, struct.error) as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from error
    except OSError as error:
        raise RunError(
            f"{file} cannot be read or unpacked into {tempfile.gettempdir()}: "
            f"{error.strerror or error}; is there space? TMPDIR names another folder for it"
        ) from error


def _check_end(stream: BinaryIO, file: Path) -> None:
    """Refuses what is no zip of ours before its directory, which may be large, is read."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _END.size - 20))
    tail = stream.read()
    if size > LARGEST or len(tail) < _END.size:
        raise _foreign(file, f"it has {size:,} bytes")
    mark, _, _, _, n_members, directory, _, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\5\6" or comment or tail.startswith(b"PK\6\7"):
        raise _foreign(file, "it does not end as one")
    if n_members > len(MOST_BYTES) or directory > 2**16:
        raise _foreign(file, f"it has {n_members} members")


def _check_members(archive: zipfile.ZipFile, file: Path) -> Mapping[str, str]:
    """The sha256 of each member by its name. Raises RunError for what no model has."""
    members = archive.infolist()
    for member in members:
        name, mode = member.orig_filename, member.external_attr >> 16
        if name not in MOST_BYTES:
            raise _foreign(file, f"it has a member {name!r}, which no model has")
        if mode and not stat.S_ISREG(mode):
            raise _foreign(file, f"its member {name} is no plain file")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise _foreign(file, f"its member {name} is compressed or encrypted")
        if member.file_size != member.compress_size or member.file_size > MOST_BYTES[name]:
            raise _foreign(file, f"its member {name} would have {member.file_size:,} bytes")
    names = [member.filename for member in members]
    if len({*names}) != len(names):
        raise _foreign(file, "a member of it is there twice")
    if sum(member.file_size for member in members) > file.stat().st_size:
        raise _foreign(file, "its members lie over each other")
    if LIST not in names:
        raise _foreign(file, f"it has no {LIST}")
    listed = _read_list(archive.read(LIST), file)
    missing = sorted({*NEEDED, *listed} - {*names})
    if missing:
        raise _damaged(file, f"{', '.join(missing)} is missing in it")
    unlisted = sorted({*names} - {LIST, *listed})
    if unlisted:
        raise _damaged(file, f"{', '.join(unlisted)} is not in its list")
    for member in members:
        if member.filename != LIST and listed[member.filename][0] != member.file_size:
            raise _damaged(file, f"{member.filename} is not as long as its list says")
    return {name: sha256 for name, (_, sha256) in listed.items()}


def _read_list(text: bytes, file: Path) -> dict[str, tuple[int, str]]:
    """Bytes and sha256 of each member, as the file says of itself."""
    try:
        about = json.loads(text)
        kind, format_ = about["kind"], about["format"]
        listed = {
            str(name): (int(each["bytes"]), str(each["sha256"]))
            for name, each in about["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(file, f"{LIST} is not as nextbar writes it") from error
    if kind != KIND:
        raise _foreign(file, f"it is of kind {kind!r}")
    if format_ != FORMAT:
        raise RunError(
            f"{file} is of format {format_!r}, and this version of nextbar ({__version__}) opens "
            f"format {FORMAT}; use the version that made it, or a later one"
        )
    return listed


def _write_out(archive: zipfile.ZipFile, listed: Mapping[str, str], file: Path) -> Path:
    above = Path(tempfile.mkdtemp(prefix="nextbar-model-"))
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    folder = above / (file.stem or "model")
    try:
        folder.mkdir()
        for name, sha256 in listed.items():
            digest = hashlib.sha256()
            with archive.open(name) as member, (folder / name).open("xb") as out:
                while data := member.read(_AT_ONCE):
                    digest.update(data)
                    out.write(data)
            if digest.hexdigest() != sha256:
                raise _damaged(file, f"{name} has not the sha256 of its list")
    except BaseException:
        shutil.rmtree(above, ignore_errors=True)
        raise
    return folder


def _foreign(file: Path, why: str) -> RunError:
    return RunError(
        f"{file} is no model that nextbar has made: {why}; give a run folder, or a file made by "
        f"`nextbar export RUN --out MODEL{SUFFIX}`"
    )


def _damaged(file: Path, why: str) -> RunError:
    return RunError(
        f"{file} is damaged, or was changed by another program: {why}; get it anew from where it "
        "came from"
    )
