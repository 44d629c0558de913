"""fetch, prepare, merge: from files to a corpus of bars."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import nextbar
from nextbar import screen
from nextbar.commands.options import CorpusGiven
from nextbar.music.manifest import REPORT
from nextbar.music.public_data import COLLECTIONS
from nextbar.screen import console

if TYPE_CHECKING:
    from nextbar.music.corpus import Corpus


def fetch(
    collection: str = "nottingham", /, *, out: Path | None = None, source: str | None = None
) -> None:
    """Download a public collection: nottingham, the paper's data, or chopin or pop909, for piano.

    What is there already and complete is not downloaded again.

    Parameters
    ----------
    collection
        Its name.
    out
        The folder for its files; by default one of that name.
    source
        Another URL, or a zip archive that was downloaded by other means. It is checked just the
        same.
    """
    with screen.progress_bar(console, f"downloading {collection}") as update:
        folder = nextbar.fetch(
            collection,
            out,
            source=source,
            progress=lambda done, total: update(done, max(done, total), f"{done:,} bytes"),
        )
    fetched = COLLECTIONS[collection]
    terms = f"terms:  {fetched.terms}\n" if fetched.terms else ""
    words = f"nextbar prepare {shlex.quote(str(folder))} --out CORPUS {fetched.prepare}"
    screen.say(
        console,
        f"{len(list(folder.iterdir()))} files: {folder}\n{terms}next:   {words.rstrip()}",
    )


def prepare(
    folder: str,
    /,
    *,
    out: Path,
    workers: int | None = None,
    shard: str | None = None,
    page: bool = True,
    options: Annotated[CorpusGiven | None, Parameter(name="*")] = None,
) -> None:
    """Make a corpus of bars from a folder of MIDI, ABC and MusicXML files.

    Says how many files were taken, and why any was refused, what the music is like, and what
    that means for training; prepare-report.html in the corpus shows it all. Run again, it reads
    only what is new.

    Example: nextbar prepare my-midi-files --out corpus

    Parameters
    ----------
    folder
        The folder, searched with its subfolders and the zip archives in them; or one zip
        archive; or music21:NAME for a collection that an installed music21 brings along, as
        music21:ryansMammoth.
    out
        The folder to write the corpus to.
    workers
        Processes that read files; as many as there are cores, if not given.
    shard
        Read one part of the files only, as 2/8: machines share the work, and nextbar merge
        makes one corpus of the parts.
    page
        Write prepare-report.html too.
    options
        How the corpus is made.
    """
    with screen.progress_bar(console, "reading") as update:
        corpus = nextbar.prepare(
            folder,
            out,
            workers=workers,
            shard=shard,
            page=page,
            report=lambda now: update(now.n_done, now.n_files, f"{now.n_pieces} pieces"),
            **(options or {}),
        )
    _show_corpus(corpus, out)


def _show_corpus(corpus: "Corpus", out: Path) -> None:
    screen.show_refusals(console, corpus.refused(), str(out / "refused.jsonl"))
    manifest = corpus.manifest
    screen.show_corpus(console, corpus)
    page = f"look:   {out / REPORT}\n" if (out / REPORT).exists() else ""
    screen.say(
        console,
        f"{manifest['files_taken']} files taken, {manifest['files_refused']} refused: "
        f"{manifest['pieces']} pieces, {manifest['bars']} bars, {manifest['pairs']} pairs of "
        f"consecutive bars\ncorpus: {out}\n"
        f"{page}next:   nextbar train {shlex.quote(str(out))} --out RUN",
    )


def merge(*shards: Path, out: Path, page: bool = True) -> None:
    """Make one corpus of the parts that nextbar prepare --shard has made.

    It is the very corpus that one run over all files would have made.

    Example: nextbar merge part1 part2 --out corpus

    Parameters
    ----------
    shards
        The corpora of all parts, 1/N to N/N, in any order.
    out
        The folder to write the corpus to.
    page
        Write prepare-report.html too.
    """
    with screen.progress_bar(console, "merging") as update:
        corpus = nextbar.merge(
            list(shards),
            out,
            page=page,
            report=lambda now: update(now.n_done, now.n_files, f"{now.n_pieces} pieces"),
        )
    _show_corpus(corpus, out)
