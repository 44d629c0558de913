"""Where music comes from: folders inside folders, zip archives, collections of music21.

A file is named by its path in the folder, a file in an archive by the
archive's path, a NUL and its path in the archive (:data:`INSIDE`): no file
name can hold that character. Nothing is ever unpacked to disk.
"""

import importlib.util
import json
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from nextbar.errors import CorpusError, MusicFileError
from nextbar.music.beats import BEAT_SUFFIX, beat_file_name
from nextbar.music.midi import LARGEST_FILE_BYTES, MUSIC_SUFFIXES, read_bytes
from nextbar.music.refusals import refuse

MUSIC21: Final = "music21:"
INSIDE: Final = "\0"
ARCHIVE_SUFFIX: Final = ".zip"

NOTATION: Final = frozenset({
    ".mscz", ".mscx", ".sib", ".mus", ".musx", ".dorico", ".ly", ".cap", ".capx", ".nwc", ".enc",
    ".gp", ".gp3", ".gp4", ".gp5", ".gpx", ".ptb", ".tg", ".mei", ".band", ".logicx", ".als",
    ".cpr", ".flp", ".rpp", ".mmp", ".pdf",
})  # fmt: skip
"""Endings of music that other programs keep in forms of their own."""

MOST_MEMBERS: Final = 1_000_000
MOST_EXPANSION: Final = 200
"""Music packs into a tenth or so; what grows more than this, and is large, is a bomb."""
HARMLESS_BYTES: Final = 2**20
"""What is smaller than this when unpacked may be packed as tightly as it likes."""
MOST_EXPANDED_BYTES: Final = 256 * 2**30


@dataclass(frozen=True)
class FoundFiles:
    """Music files and archives, relative to their folder and sorted.

    ignored: how many other files there are, by suffix.
    """

    names: list[str]
    ignored: dict[str, int]
    archives: list[str] = field(default_factory=list)


def find_source(source: str | Path) -> tuple[Path, str]:
    """The folder or archive that ``source`` means, and the name to keep of it; else CorpusError."""
    if str(source).startswith(MUSIC21):
        return _find_music21_collection(str(source).removeprefix(MUSIC21)), str(source)
    folder = Path(source)
    if not os.path.exists(folder):  # a path that no system could have is none either
        raise CorpusError(f"{folder} does not exist; check the path of the folder of music files")
    if not folder.is_dir() and folder.suffix.lower() != ARCHIVE_SUFFIX:
        raise CorpusError(f"{folder} is a file; give the folder that holds your music files")
    return folder, folder.resolve().name


def _find_music21_collection(name: str) -> Path:
    spec = importlib.util.find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise CorpusError(
            f"{MUSIC21}{name} needs the package music21, which is not installed;"
            " install it with: pip install 'nextbar[folk]'"
        )
    corpus = Path(spec.submodule_search_locations[0], "corpus")
    collections = [
        place
        for place in sorted(corpus.iterdir())
        if any(path.suffix in MUSIC_SUFFIXES for path in place.glob("*.*"))
    ]
    for collection in collections:
        if collection.name.casefold() == name.casefold():
            return collection
    names = ", ".join(collection.name for collection in collections)
    raise CorpusError(f"music21 has no collection {name!r}; it has: {names}")


def find_music_files(folder: Path) -> FoundFiles:
    """The music files and archives in ``folder`` and below, as sorted relative paths with ``/``.

    Hidden files and folders and ``__MACOSX`` are passed over, and so is a link
    that leads out of the folder; folders are never entered through links. An
    archive as ``folder`` is the one archive found. Raises CorpusError for a
    subfolder that cannot be listed.
    """
    if not folder.is_dir():
        return FoundFiles([], {}, [""])

    root = folder.resolve()
    names: list[str] = []
    archives: list[str] = []
    beat_files: list[str] = []
    ignored: Counter[str] = Counter()
    places = [""]  # folders still to be looked into, as prefixes of names
    while places:
        before = places.pop()
        for entry in _list_folder(os.path.join(folder, before)):
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir(follow_symlinks=False):
                places.append(f"{before}{entry.name}/")
            elif entry.is_symlink() and _is_passed_over(entry, root):
                ignored["link out of the folder"] += not entry.is_dir()
            elif suffix in MUSIC_SUFFIXES:
                names.append(before + entry.name)
            elif suffix == ARCHIVE_SUFFIX:
                archives.append(before + entry.name)
            else:
                ignored[suffix or "no suffix"] += 1
                if entry.name.endswith(BEAT_SUFFIX):
                    beat_files.append(before + entry.name)
    _without_beat_files(ignored, beat_files, names)
    ignored = +ignored
    return FoundFiles(sorted(names), dict(sorted(ignored.items())), sorted(archives))


def _list_folder(path: str) -> list[os.DirEntry[str]]:
    """What a folder holds but hidden things; CorpusError where it cannot be listed."""
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if _is_shown(entry.name)]
    except OSError as error:
        raise CorpusError(f"{error.filename} cannot be read: {error.strerror}") from error


def _is_passed_over(link: os.DirEntry[str], root: Path) -> bool:
    """Whether a link leads to a folder, or out of the folder ``root``."""
    return link.is_dir() or not Path(link.path).resolve().is_relative_to(root)


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def show_name(item: str) -> str:
    """What a file is called in reports: ``songs.zip/a.mid`` for one in an archive."""
    archive, inside, member = item.partition(INSIDE)
    name = f"{archive}/{member}" if inside and archive else member or archive
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_source(folder: Path, item: str) -> bytes:
    """The bytes of a music file; MusicFileError if there are none to be had.

    Reasons: those of ``midi.read_bytes``, and "damaged archive".
    """
    archive, inside, member = item.partition(INSIDE)
    if not inside:
        return read_bytes(os.path.join(folder, item), name=show_name(item))
    name = show_name(item)
    try:
        opened = _open_archive(str(folder / archive))
        with opened.open(member) as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except MemoryError:
        raise
    except Exception as error:  # zipfile lets errors of all its decoders through
        why = f"it cannot be unpacked ({type(error).__name__}: {error})"
        raise refuse(name, "damaged archive", why) from error
    if len(data) > LARGEST_FILE_BYTES:
        raise refuse(name, "too large", f"it has over {LARGEST_FILE_BYTES // 2**20} MB")
    return data


@lru_cache(maxsize=1)
def _open_archive(path: str) -> zipfile.ZipFile:
    """The archive, opened once for all its files that follow each other."""
    return zipfile.ZipFile(path)


def read_beat_file_of(folder: Path, item: str) -> bytes | None:
    """The bytes of the beat file beside a music file, in its folder or archive; None without one.

    Raises MusicFileError as :func:`read_source` does.
    """
    archive, inside, member = item.rpartition(INSIDE)
    name = beat_file_name(member)
    if name is None:
        return None
    if inside:
        try:
            found = _open_archive(str(folder / archive)).getinfo(name)
        except KeyError:
            return None
        _check_member(show_name(item), PurePosixPath(name.replace("\\", "/")), found)
    else:
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or (
            os.path.islink(path) and not Path(path).resolve().is_relative_to(folder.resolve())
        ):
            return None
    return read_source(folder, archive + inside + name)


def _without_beat_files(
    ignored: Counter[str], beat_files: Iterable[str], names: Iterable[str]
) -> None:
    """Takes those from what is passed over that are of one of the music files of these names."""
    beat_files = set(beat_files)
    if beat_files:
        read = beat_files & {beat_file_name(name) for name in names}
        ignored[os.path.splitext(BEAT_SUFFIX)[1]] -= len(read)


def list_archive(item: str, *, folder: Path) -> bytes:
    """What an archive holds, as JSON, for :func:`unpack_listing`; runs in a worker.

    A file with an absolute path or one with ``..``, a link, an encrypted or
    an enormous file, and one packed suspiciously tightly are refused.
    """
    shown = show_name(item) if item else folder.name
    listing = Listing([], [], Counter())
    try:
        with zipfile.ZipFile(folder / item) as archive:
            members = archive.infolist()
            _check_archive(shown, members)
    except MusicFileError as error:
        listing.refused.append(error)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        why = f"it is no zip archive, or damaged ({error})"
        listing.refused.append(refuse(shown, "damaged archive", why))
    else:
        for member in members:
            _take_member(item, member, listing)
        beat_files = (item + INSIDE + member.filename for member in members)
        beat_files = (name for name in beat_files if name.endswith(BEAT_SUFFIX))
        _without_beat_files(listing.ignored, beat_files, listing.names)
    refused = [(e.name, e.reason, str(e)) for e in listing.refused]
    return json.dumps([listing.names, refused, +listing.ignored]).encode()


@dataclass(frozen=True)
class Listing:
    """Files of an archive, those refused at once, and how many others there are by suffix."""

    names: list[str]
    refused: list[MusicFileError]
    ignored: Counter[str]


def unpack_listing(data: bytes) -> Listing:
    """What :func:`list_archive` found."""
    names, refused, ignored = json.loads(data)
    errors = [MusicFileError(text, reason=reason, name=name) for name, reason, text in refused]
    return Listing(names, errors, Counter(ignored))


def _check_archive(shown: str, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        why = f"it holds {len(members):,} files, of {MOST_MEMBERS:,} allowed"
        raise refuse(shown, "too large", why)
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_EXPANDED_BYTES or _is_bomb(packed, unpacked):
        why = f"{packed:,} bytes that would become {unpacked:,} are no music"
        raise refuse(shown, "zip bomb", why)


def _is_bomb(packed: int, unpacked: int) -> bool:
    return unpacked > HARMLESS_BYTES and unpacked > MOST_EXPANSION * max(packed, 1)


def _take_member(archive: str, member: zipfile.ZipInfo, listing: Listing) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if member.is_dir() or not all(map(_is_shown, (p for p in path.parts if p != ".."))):
        return
    if path.suffix.lower() not in MUSIC_SUFFIXES:
        listing.ignored[path.suffix.lower() or "no suffix"] += 1
        return
    item = archive + INSIDE + member.filename
    try:
        _check_member(show_name(item), path, member)
        listing.names.append(item)
    except MusicFileError as error:
        listing.refused.append(error)


def _check_member(name: str, path: PurePosixPath, member: zipfile.ZipInfo) -> None:
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise refuse(name, "unsafe path", "its path leads out of its archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise refuse(name, "link", "it is a link inside an archive")
    if member.flag_bits & 1:
        raise refuse(name, "encrypted", "it is encrypted")
    if _is_bomb(member.compress_size, member.file_size):
        why = f"{member.compress_size:,} bytes that would become {member.file_size:,} are no music"
        raise refuse(name, "zip bomb", why)
    if member.file_size > LARGEST_FILE_BYTES:
        raise refuse(name, "too large", f"it has over {LARGEST_FILE_BYTES // 2**20} MB")


def count_all(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """The sums of counts by key, sorted by key."""
    total: Counter[Any] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
