"""Public collections of music that can be downloaded: the paper's data, and two of piano."""

import hashlib
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nextbar.errors import FetchError, UsageError
from nextbar.files import folder_written_whole

Chosen = dict[str, str]
"""The name that a file gets in the folder -> the member of the archive that it is."""
Progress = Callable[[int, int], None]
"""Called with the bytes done and, where the server says so, the bytes in all (else 0)."""

LARGEST_FILE: Final = 1_000_000
SECONDS_OF_SILENCE: Final = 30
"""How long a server may say nothing."""
RETRIES: Final = 3


@dataclass(frozen=True)
class Collection:
    """A set of music files in a zip archive.

    sha256: what ``LC_ALL=C sha256sum * | sha256sum`` gives in the folder of
    the files. It is of the files and not of the archive, so that an archive
    packed anew, or from a mirror, is as good. choose: from the members of an
    archive to those that belong to it. terms: under which they may be used. prepare:
    how it is usually prepared, in words of the command line.
    """

    name: str
    url: str
    sha256: str
    n_files: int
    origin: str
    choose: Callable[[Iterable[str]], Chosen]
    terms: str = ""
    prepare: str = ""


def every_midi_file(members: Iterable[str]) -> Chosen:
    """All that end in .mid, by their bare names."""
    return {_bare(member): member for member in members if member.lower().endswith(".mid")}


def one_edition_a_work(members: Iterable[str]) -> Chosen:
    """Of scores named as in ``007-1-KI-001.krn`` the first by name of each work for piano alone.

    That is opus, edition, publisher, number in the opus. Parts of single instruments, works for
    piano and cello or violin (opus 3, 8 and 65, the Grand Duo) and songs (opus 74) are left out.
    """
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for name, member in sorted((_bare(member), member) for member in members):
        match = re.fullmatch(r"([A-Za-z0-9]+)-\d[a-z]?-[A-Za-z]+(?:-(\d{3}))?\.krn", name)
        if match and match[1] not in ("003", "008", "065", "074", "GDC"):
            first.setdefault((match[1], match[2] or "001"), (name, member))
    return dict(first.values())


def every_second_song(members: Iterable[str]) -> Chosen:
    """Of POP909 the songs of odd number, 001.mid to 909.mid, each with its beats beside it.

    The beats are those that its authors found in the MIDI file, beat_midi.txt in the song's
    folder; here NNN.beats.txt, as they are read by. Other versions of a song are left out.
    """
    chosen = {}
    for member in members:
        match = re.search(r"(?:^|/)(\d{3})(?:\.mid|\.beats\.txt|/beat_midi\.txt)$", member)
        if match and int(match[1]) % 2:
            suffix = ".mid" if member.endswith(".mid") else ".beats.txt"
            chosen[match[1] + suffix] = member
    return chosen


COLLECTIONS: Final = {
    "nottingham": Collection(
        name="nottingham",
        url="https://raw.githubusercontent.com/makbari7/SR-CNN-VAE-GAN/"
        "0665306855e6fc6e584b6a79478c6b7c443f5fae/nottingham-dataset.zip",
        sha256="00bcfaecb876abfa1aebc19a4f360b249f85e1e636fc21c17a3c821d13b7173c",
        n_files=524,
        origin="524 folk tunes of the Nottingham database, as Akbari & Liang released them "
        "with the code of their paper",
        choose=every_midi_file,
        prepare="--grid seconds --track 1",
    ),
    "chopin": Collection(
        name="chopin",
        url="https://github.com/pl-wnifc/humdrum-chopin-first-editions/archive/refs/heads/"
        "master.zip",
        sha256="0db28244ce25760992e941239da3f645f1ffd5be330400434176d8928539ade4",
        n_files=184,
        origin="one first edition of each work for piano alone by Fryderyk Chopin, encoded at the "
        "Fryderyk Chopin Institute",
        choose=one_edition_a_work,
        terms="CC BY 4.0; copyright 2017-2021 The Fryderyk Chopin Institute (https://nifc.pl)",
    ),
    "pop909": Collection(
        name="pop909",
        url="https://github.com/music-x-lab/POP909-Dataset/archive/"
        "efa0bce09b0b8dc241957412270aba6740bd0bf5.zip",
        sha256="18aa622701d730a59c6d3d26d35db37dd6b889e159d5e7088fc8697cd8015943",
        n_files=910,
        origin="every second song of POP909 (Wang et al. 2020): pop songs arranged for piano and "
        "played, each with its beats",
        choose=every_second_song,
        terms="MIT; copyright 2020 Music X Lab",
        prepare="--track PIANO",
    ),
}


def fetch(
    name: str = "nottingham",
    out: str | Path | None = None,
    *,
    source: str | Path | None = None,
    progress: Progress | None = None,
    collections: dict[str, Collection] = COLLECTIONS,
) -> Path:
    """The folder that holds the collection's files, downloaded if it is not complete yet.

    out: by default a folder of the collection's name. source: another URL, or
    a zip archive on this machine, for a mirror or a download by hand. The
    content is checked against the collection's sha256, whatever the source.
    A broken transfer is tried again.

    Raises UsageError for a collection that does not exist, FetchError where
    the source cannot be had or is not the collection, OutputError where
    ``out`` holds something else or cannot be written.
    """
    if name not in collections:
        raise UsageError(f"no collection {name!r}; there are: {', '.join(collections)}")
    collection = collections[name]
    folder = Path(out or name)
    if is_complete(folder, collection):
        return folder
    where = str(source or collection.url)
    archive = _download(where, collection, progress) if "://" in where else _read(Path(where))
    files = _unpack(archive, where, collection)
    with folder_written_whole(folder) as beside:
        for file, content in files.items():
            (beside / file).write_bytes(content)
    return folder


def is_complete(folder: Path, collection: Collection) -> bool:
    """Whether the folder holds exactly the collection's files."""
    if not folder.is_dir():
        return False
    paths = sorted(folder.iterdir())
    if len(paths) != collection.n_files or not all(path.is_file() for path in paths):
        return False
    return content_sha256({path.name: path.read_bytes() for path in paths}) == collection.sha256


def content_sha256(files: dict[str, bytes]) -> str:
    """The sha256 of the lines that ``sha256sum`` prints for the files, sorted by name."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n".encode())
    return total.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FetchError(f"{path} cannot be read: {error.strerror}; give a zip archive") from error


def _download(url: str, collection: Collection, progress: Progress | None) -> bytes:
    import logging  # these take a while, and only a download needs them

    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)  # our caller speaks
    with tempfile.TemporaryDirectory() as folder:
        registry = pooch.create(
            path=folder,
            base_url="",
            registry={"archive.zip": None},
            urls={"archive.zip": url},
            retry_if_failed=RETRIES,
        )
        downloader = pooch.HTTPDownloader(
            progressbar=_Bar(progress), timeout=SECONDS_OF_SILENCE, chunk_size=16384
        )
        try:
            return Path(registry.fetch("archive.zip", downloader=downloader)).read_bytes()
        except (requests.RequestException, ValueError, OSError) as error:
            raise FetchError(
                f"{url} could not be downloaded ({_explain(error)}). Try again later, or download "
                f"{collection.url} by another way and give it with --source FILE"
            ) from error


class _Bar:
    """What pooch takes for a progress bar."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0
        self.total = 0

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        if self._progress is not None:
            self._progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _explain(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"the server said nothing for {SECONDS_OF_SILENCE} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"the transfer broke off, {RETRIES + 1} times"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to the server: is there a network?"
    return str(error)


def _unpack(archive: bytes, where: str, collection: Collection) -> dict[str, bytes]:
    """The collection's files in the archive by their bare names, checked."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            chosen = collection.choose(members.namelist())
            if len(chosen) > 2 * collection.n_files or any(
                members.getinfo(member).file_size > LARGEST_FILE for member in chosen.values()
            ):
                raise FetchError(f"{where} is not {collection.name}: it holds too much")
            files = {name: members.read(member) for name, member in chosen.items()}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise FetchError(
            f"{where} is no zip archive, or a broken one ({error}); download {collection.url} "
            "anew and give it with --source FILE"
        ) from error
    found = content_sha256(files)
    if found != collection.sha256:
        raise FetchError(
            f"{where} is not {collection.name}: {len(files)} files with the sha256 "
            f"{found[:12]}..., expected {collection.n_files} with {collection.sha256[:12]}...; "
            "nothing was written"
        )
    return files


def _bare(member: str) -> str:
    """The last part of a member's name: its folders are never used."""
    return member.replace("\\", "/").rsplit("/", 1)[-1]
