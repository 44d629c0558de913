"""A folder of music files -> a corpus on disk, with the reason for every file refused.

Every file is read in a worker process; what it gave goes to disk at once, and
when all are read, the pieces that are kept are put together.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from nextbar.errors import CorpusError, MusicFileError, OutputError, UsageError
from nextbar.files import folder_written_whole
from nextbar.music.assembly import (
    READER,
    add_transpositions,
    count_metres,
    write_arrays,
    write_lines,
    write_manifest,
)
from nextbar.music.corpus import Corpus
from nextbar.music.earlier import Earlier
from nextbar.music.file_parts import pack_all, read_source_file, refused_file
from nextbar.music.manifest import FILES, read_manifest
from nextbar.music.midi import MIDI_SUFFIXES
from nextbar.music.options import CorpusOptions, OptionsGiven
from nextbar.music.reading import read_pieces
from nextbar.music.refusals import refuse
from nextbar.music.sources import (
    INSIDE,
    NOTATION,
    FoundFiles,
    count_all,
    find_music_files,
    find_source,
    list_archive,
    show_name,
    unpack_listing,
)
from nextbar.music.spool import NO_DIGEST, Batch, Gathered, count_up, make_batch, unpack
from nextbar.settings import check_names
from nextbar.workers import Lost, Result, map_in_workers, usable_cores

__all__ = [
    "CorpusOptions",
    "FileRead",
    "FoundFiles",
    "find_music_files",
    "find_source",
    "prepare",
    "read_pieces",
]

SECONDS_A_FILE: Final = 30.0
SECONDS_A_COLLECTION: Final = 600.0
"""For what may hold thousands of tunes, or is read by slower programs."""
FILES_AT_ONCE: Final = 1024
FREE_TO_CHANGE: Final = frozenset({"onsets", "augment", "held_out_every", "duplicates"})
"""Options that change nothing of what a single file gives."""


@dataclass(frozen=True)
class FileRead:
    """How far the preparation is, after ``file``."""

    n_done: int
    n_files: int
    n_pieces: int
    n_refused: int
    file: str


@dataclass(frozen=True)
class _Plan:
    """Which files are to be read, in order. refused: those that are refused unread."""

    folder: Path
    items: list[str]
    refused: dict[str, MusicFileError]
    ignored: dict[str, int]

    def name_of(self, item: str) -> str:
        """What an item is called in reports."""
        return self.refused[item].name if item in self.refused else show_name(item)


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    shard: str | None = None,
    page: bool = True,
    report: Callable[[FileRead], None] | None = None,
    **options: Unpack[OptionsGiven],
) -> Corpus:
    """The corpus of all music files in the folder ``source``, written to the folder ``out``.

    source: a folder, searched with its subfolders and the zip archives in
    them, one zip archive, or ``music21:NAME`` for a collection of an installed
    music21. workers: processes that read files; the cores there are, if None;
    the corpus does not depend on it. shard: "2/8" reads the second eighth of
    the files only, for :func:`merge`. page: write prepare-report.html too, what
    the music is like. report: called after each file. options: the fields of
    :class:`nextbar.CorpusOptions`, by name. The same files and
    options give the same bytes. A corpus already in ``out`` is replaced, in
    one step and only on success, and what it has of unchanged files is not
    read again; anything else there is an OutputError. Raises CorpusError
    where there is nothing to take.
    """
    check_names(CorpusOptions, options, "option", UsageError)
    chosen = CorpusOptions(**options)
    n_workers = _count_workers(workers)
    folder, source_name = find_source(source)
    out = Path(out)
    _check_out(out)
    plan = _take_shard(_make_plan(folder, n_workers), shard, chosen)
    facts: dict[str, Any] = {"source": source_name, "ignored": plan.ignored}
    facts |= {"shard": shard} if shard else {}
    with folder_written_whole(out, replace=True) as beside:
        earlier = _open_earlier(out, chosen)
        gathered = _gather(plan, chosen, earlier, beside / "spool", n_workers, report)
        _write_corpus(beside, gathered, chosen, facts, folder)
        del gathered  # its records are as many as the files, and opening wants room of its own
        _remove(beside / "spool")
    return _opened(out, page)


def merge(
    shards: list[str | Path],
    out: str | Path,
    *,
    page: bool = True,
    report: Callable[[FileRead], None] | None = None,
) -> Corpus:
    """The corpus of all shards, in the order of their numbers, written to the folder ``out``.

    shards: corpora that ``prepare`` made with ``shard``, "1/N" to
    "N/N". The result has the bytes that one run over all files would have
    given. page, report: as there. Files that equal one of an earlier shard are refused as
    duplicates there too. Raises CorpusError for shards that do not belong
    together.
    """
    out = Path(out)
    _check_out(out)
    paths = sorted(map(Path, shards), key=lambda path: _shard_number(read_manifest(path)))
    found = [Earlier(path, number) for number, path in enumerate(paths, start=1)]
    options = _common_options(paths, [earlier.manifest for earlier in found])
    with folder_written_whole(out, replace=True) as beside:
        track = _Track(options, sum(map(len, found)), report)
        with closing(Gathered(beside / "spool")) as gathered:
            gathered.sources += [earlier.stored for earlier in found]
            for earlier in found:
                for begin in range(0, len(earlier), FILES_AT_ONCE):
                    numbers = range(begin, min(begin + FILES_AT_ONCE, len(earlier)))
                    parts = [earlier.take(number) for number in numbers]
                    track.add(gathered, make_batch(parts), [p.header["file"] for p in parts])
        ignored = count_all(earlier.manifest["ignored"] for earlier in found[:1])
        facts = {"source": found[0].manifest["source"], "ignored": ignored}
        _write_corpus(beside, gathered, options, facts, out)
        _remove(beside / "spool")
    return _opened(out, page)


def _opened(out: Path, page: bool) -> Corpus:
    """The corpus that was written, with its page where that is wanted."""
    corpus = Corpus.open(out)
    if page:
        from nextbar.music.report import write_prepare_report  # with Matplotlib

        write_prepare_report(corpus)
    return corpus


def _count_workers(asked: int | None) -> int:
    if asked is None:
        return usable_cores()
    if not 1 <= asked <= 1024:
        raise UsageError(f"workers is {asked}; it must be from 1 to 1024")
    return asked


def _make_plan(folder: Path, n_workers: int) -> _Plan:
    """All files of the folder and its archives in the order of their names; else CorpusError."""
    found = find_music_files(folder)
    items, refused, ignored = list(found.names), {}, [found.ignored]
    listings = map_in_workers(
        partial(list_archive, folder=folder),
        found.archives,
        n_workers=n_workers,
        seconds=lambda _: SECONDS_A_COLLECTION,
    )
    for archive, (_, result) in zip(found.archives, listings, strict=True):
        if isinstance(result, Lost):
            refused[archive] = _lost(show_name(archive) or folder.name, result)
            continue
        listing = unpack_listing(result)
        items += sorted(set(listing.names))
        ignored.append(listing.ignored)
        refused |= {error.name + INSIDE: error for error in listing.refused}
    plan = [*items, *refused]
    if found.archives:
        plan.sort(key=lambda item: item.strip(INSIDE).replace(INSIDE, "/"))
    counts = count_all(ignored)
    if not plan:
        raise CorpusError(_say_nothing_found(folder, counts))
    return _Plan(folder, plan, refused, counts)


def _take_shard(plan: _Plan, shard: str | None, options: CorpusOptions) -> _Plan:
    """The I-th of N consecutive stretches of the files for "I/N"; UsageError for what is none."""
    if shard is None:
        return plan
    number, n_shards = parse_shard(shard)
    if options.augment:
        raise UsageError("copies are made of a whole corpus; leave augment out of its shards")
    cuts = [len(plan.items) * i // n_shards for i in (number - 1, number)]
    return _Plan(plan.folder, plan.items[slice(*cuts)], plan.refused, plan.ignored)


def parse_shard(text: str) -> tuple[int, int]:
    """(2, 8) from ``2/8``; UsageError for what is no shard."""
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise UsageError(f"{text!r} is no shard; write 1/8 to 8/8 for the first to the last eighth")


def _shard_number(manifest: dict[str, Any]) -> int:
    return parse_shard(str(manifest.get("shard", "1/1")))[0]


def _common_options(paths: list[Path], manifests: list[dict[str, Any]]) -> CorpusOptions:
    """The options that all shards were made with; CorpusError if they do not belong together."""
    if not manifests:
        raise UsageError("there is nothing to merge; give the corpora made with --shard")
    counts = [parse_shard(str(manifest.get("shard", "1/1"))) for manifest in manifests]
    if counts != [(i, len(manifests)) for i in range(1, len(manifests) + 1)]:
        shown = ", ".join(str(manifest.get("shard", "no shard")) for manifest in manifests)
        raise CorpusError(f"these are not the shards of one corpus, each once: {shown}")
    first = manifests[0]
    for path, manifest in zip(paths, manifests, strict=True):
        for key in ("options", "reader", "source"):
            if manifest[key] != first[key]:
                raise CorpusError(
                    f"{path} was made with other {key} than {paths[0]}; prepare it again"
                )
    return CorpusOptions(**first["options"])


def _open_earlier(out: Path, options: CorpusOptions) -> Earlier | None:
    """What is at ``out`` already, if its files were read in the same way."""
    try:
        Corpus.open(out)
        earlier = Earlier(out, 1)
        made_with = {k: v for k, v in earlier.manifest["options"].items() if k in asdict(options)}
    except (CorpusError, OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or it is damaged or of another version: all is read anew
    wanted = {k: v for k, v in asdict(options).items() if k not in FREE_TO_CHANGE}
    same = all(made_with.get(key) == value for key, value in wanted.items())
    return earlier if same and earlier.manifest.get("reader") == READER else None


def _seconds(item: str) -> float:
    is_single = item.lower().endswith(MIDI_SUFFIXES)
    return SECONDS_A_FILE if is_single else SECONDS_A_COLLECTION


class _Track:
    """What is known of the files so far: their hashes, and how many there were."""

    def __init__(
        self, options: CorpusOptions, n_files: int, report: Callable[[FileRead], None] | None
    ) -> None:
        self._first_with: dict[bytes, str] | None = None if options.keeps_duplicates else {}
        self._n_files, self._report = n_files, report
        self._n_done = self._n_pieces = self._n_refused = 0

    def add(self, gathered: Gathered, batch: Batch, names: Sequence[str]) -> None:
        """Adds what the files of these names gave, and reports each of them as done."""
        assert len(batch.files) == len(names)
        twins = self._find_twins(batch, names)
        gathered.add(batch, twins)
        if self._report is None:
            return
        for nth, (name, n_pieces) in enumerate(zip(names, batch.files["pieces"], strict=True)):
            n_taken = 0 if nth in twins else int(n_pieces)
            self._n_done += 1
            self._n_pieces += n_taken
            self._n_refused += not n_taken
            self._report(
                FileRead(self._n_done, self._n_files, self._n_pieces, self._n_refused, name)
            )

    def _find_twins(self, batch: Batch, names: Sequence[str]) -> dict[int, str]:
        """The places in the batch of files that have the bytes of one before, and its name."""
        if self._first_with is None:
            return {}
        twins = {}
        digests = batch.files["digest"].tolist()
        for nth, (digest, name) in enumerate(zip(digests, names, strict=True)):
            if digest != NO_DIGEST and self._first_with.setdefault(digest, name) != name:
                twins[nth] = self._first_with[digest]
        return twins


def _gather(
    plan: _Plan,
    options: CorpusOptions,
    earlier: Earlier | None,
    spool: Path,
    n_workers: int,
    report: Callable[[FileRead], None] | None,
) -> Gathered:
    """What all files of the plan gave, from workers or from an earlier corpus."""
    track = _Track(options, len(plan.items), report)
    with (
        closing(Gathered(spool)) as gathered,
        closing(_read_items(plan, options, earlier, n_workers)) as results,
    ):
        if earlier:
            gathered.sources.append(earlier.stored)
        for numbers, result in results:
            names = [plan.name_of(item) for item in plan.items[numbers.start : numbers.stop]]
            if isinstance(result, Lost):
                batch = make_batch([refused_file(_lost(names[0], result))])
            else:
                batch = unpack(result)
            track.add(gathered, batch, names)
    return gathered


def _read_items(
    plan: _Plan, options: CorpusOptions, earlier: Earlier | None, n_workers: int
) -> Generator[Result, None, None]:
    """What the items of the plan gave, packed."""
    return map_in_workers(
        partial(
            read_source_file,
            folder=plan.folder,
            options=options,
            refused=plan.refused,
            earlier=earlier,
        ),
        plan.items,
        n_workers=n_workers,
        seconds=_seconds,
        finish=partial(pack_all, options=options),
    )


def _lost(name: str, lost: Lost) -> MusicFileError:
    return refuse(name, lost.reason, f"reading it was given up: {lost.reason} ({lost.detail})")


def _write_corpus(
    folder: Path,
    gathered: Gathered,
    options: CorpusOptions,
    facts: dict[str, Any],
    shown_folder: Path,
) -> None:
    """Writes all files of a corpus but its report; CorpusError if no piece is left."""
    tally = write_lines(folder, gathered)
    kept = np.array(tally.kept, bool)
    if not kept.any():
        n_files = tally.files_taken + tally.files_refused
        raise CorpusError(
            _say_all_refused(shown_folder, n_files, tally.refused, tally.first_refusal)
        )
    places = add_transpositions(folder, gathered.places()[kept], options)
    metres = count_metres(gathered.sources, places)
    velocities = write_arrays(folder, gathered.sources, places, metres.codes)
    write_manifest(folder, tally, places, velocities, metres, options, facts)


def _remove(spool: Path) -> None:
    for path in spool.iterdir():
        path.unlink()
    spool.rmdir()


def _check_out(out: Path) -> None:
    """OutputError unless ``out`` is free, empty, or a corpus and nothing but a corpus."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"{out} is a file; choose a new folder for the corpus")
    inside = {path.name for path in out.iterdir()}
    if not inside:
        return
    try:
        read_manifest(out)
    except CorpusError as error:
        raise OutputError(
            f"{out} exists and is no corpus, so it is not replaced; choose a new folder"
        ) from error
    if others := sorted(inside - set(FILES)):
        raise OutputError(
            f"{out} holds other things than its corpus ({', '.join(others[:3])}), so it is not"
            " replaced; move them, or choose a new folder"
        )


def _say_nothing_found(folder: Path, ignored: dict[str, int]) -> str:
    """Why a folder gave no file to read."""
    wanted = "MIDI (.mid, .midi) or ABC (.abc) files, or MusicXML"
    if not ignored:
        return f"{folder} is empty; put {wanted} into it, or give another folder"
    seen = ", ".join(f"{count} {suffix}" for suffix, count in ignored.items())
    if NOTATION & set(ignored):
        return f"{folder} has no {wanted}; seen: {seen}; export those as MusicXML or MIDI first"
    return f"{folder} has no {wanted}; seen: {seen}; give the folder that holds your music"


def _say_all_refused(folder: Path, n_files: int, refused: Counter[str], first: str) -> str:
    """Why a folder of music files gave no piece."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in count_up(refused.elements()).items())
    return (
        f"{folder}: none of its {n_files} music files can be used ({reasons}); the first: {first}"
    )
