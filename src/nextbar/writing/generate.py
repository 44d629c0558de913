"""Many pieces at once, as a folder of files."""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nextbar.errors import CorpusError, UsageError
from nextbar.measures.nearness import KnownTunes
from nextbar.music import audio
from nextbar.music.bars import cut_at_bar_lines
from nextbar.music.corpus import corpus_of
from nextbar.music.kind import BarKind
from nextbar.music.metre import normal_metre, parse_metre, show_metre
from nextbar.music.sheet import load_music21
from nextbar.shipped import FOLDER, typed_for
from nextbar.writing.beginning import begin_from, begin_from_corpus, end_at
from nextbar.writing.composer import Composer, load
from nextbar.writing.folder import Made, PieceWritten, check_folder, write_pieces
from nextbar.writing.piece import (
    HELD_OUT,
    NOISE,
    TRAINING,
    Beginning,
    Composition,
    check_bars,
    check_seed,
    check_tempo,
    check_threshold,
)
from nextbar.writing.wishes import Wishes, read_chords, read_register

MOST_PIECES: Final = 100_000
BARS_AT_ONCE: Final = 8_000
"""Bars that are written side by side: some 45 MB of frames, however many pieces are asked for."""


def generate(
    run: str | Path | Composer | None,
    out: str | Path,
    *,
    pieces: int = 10,
    bars: int = 16,
    from_bar: str = NOISE,
    between: tuple[str, str] | None = None,
    track: int | str = "all",
    temperature: float | None = None,
    follow: float | None = None,
    choose: float | None = None,
    repeat: float | None = None,
    threshold: float | None = None,
    tempo: float | None = None,
    metre: str | None = None,
    density: float | None = None,
    register: str | float | None = None,
    chords: str | Sequence[str] = (),
    no_copies: bool = False,
    strictness: int | None = None,
    seed: int = 0,
    wav: bool | None = None,
    pictures: bool = True,
    musicxml: bool = False,
    device: str = "auto",
    progress: Callable[[PieceWritten], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """The MIDI files written into the folder ``out``, with WAV, PNG and MusicXML beside them.

    run: a run folder, a model that is one file, or the name of one that comes with
    nextbar, fiddle, piano or chorales; None takes the first.
    bars: how many bars the model writes; given ones come in front and are not
    counted. from_bar: see :func:`begin_from`. between: two bars that the written
    ones stand between, as ``("A.mid:4", "B.mid:1")``: what ``from_bar`` names, and
    what they lead to, see :func:`end_at`. temperature, follow, choose, repeat,
    threshold, tempo, metre: see ``Composer.generate``. density, register, chords: notes a bar, the
    mean pitch ("C4" or 60), and what each bar keeps to ("C Am F G7"), see
    :class:`nextbar.Wishes`. no_copies: no written bar and no two-bar phrase is one of
    the training tunes, in any key; strictness: 1, or 2 for bars that differ in one
    note, too (``Composer.no_copies``). What cannot be written so is left out, said
    and counted; CopiedError where that is all. Piece i has the seed ``seed + i`` and
    does not depend on how many are made with it. A file's name says what decided the piece;
    ``generated.json`` says it in full, with the command that makes it again. say:
    is told, in sentences, what of a file is gone on from before anything is
    written, and at the end what could not be. wav: None writes WAV files where the
    extra ``audio`` is there, and tells ``say`` where it is not; True then raises UsageError.
    """
    if not 1 <= pieces <= MOST_PIECES:
        raise UsageError(f"pieces: {pieces} is not between 1 and {MOST_PIECES:,}")
    seeds = list(range(seed, seed + pieces))
    check_bars(bars)
    check_threshold(threshold)
    check_tempo(tempo)
    check_seed(seeds[0])
    check_seed(seeds[-1])
    silent = ""
    if wav is not False:
        try:
            audio.find_soundfont()  # complain before the work, not after it
        except UsageError as error:
            if wav:
                raise
            silent = f"no WAV is written: {error}"
    if musicxml:
        load_music21()
    if strictness is not None and not no_copies:
        raise UsageError("strictness says how strict no-copies is; give --no-copies too")
    composer = run if isinstance(run, Composer) else load(run, device=device)
    refusing = composer.no_copies(strictness or 1) if no_copies else None
    nearest = NearestWritten.of(composer) if no_copies else None
    sampling = composer.asked(temperature, follow, choose, repeat)
    wanted = None if metre is None else parse_metre(metre)
    if wanted is not None:
        composer.kind.number_of(wanted)
    height = None if register is None else read_register(str(register))
    wishes = Wishes(density=density, register=height, chords=read_chords(chords))
    check_folder(Path(out), composer)
    if between is not None and from_bar != NOISE:
        raise UsageError("from-bar: between says already what is gone on from; give one of the two")
    start = from_bar if between is None else between[0]
    beginnings = _begin_all(composer, start, seeds, track)
    ending = None
    if between is not None:
        ending = end_at(composer, between[1], beginning=beginnings[0], track=track)
    says = [sentence for given in (beginnings[0], ending) if given for sentence in given.says]
    says += [silent] if silent else []
    if say is not None:
        for sentence in says:
            say(sentence)
    options: dict[str, Any] = {"bars": bars}
    options |= {"from-bar": from_bar} if between is None else {"between": list(between)}
    options["track"] = track
    options["temperature"] = sampling.temperature
    options |= {} if sampling.follow == 1 else {"follow": sampling.follow}
    options |= {} if choose is None else {"choose": choose}
    options |= {} if repeat is None else {"repeat": repeat}
    options |= {} if threshold is None else {"threshold": threshold}
    options |= {} if tempo is None else {"tempo": tempo}
    options |= {} if wanted is None else {"metre": show_metre(wanted)}
    options |= {} if density is None else {"density": density}
    options |= {} if register is None else {"register": register}
    options |= {"chords": chords if isinstance(chords, str) else " ".join(chords)} if chords else {}
    options |= {} if refusing is None else {"no-copies": True}
    options |= {} if strictness is None else {"strictness": strictness}

    def make() -> Iterator[Made]:
        at_once = max(1, BARS_AT_ONCE // bars)
        for begin in range(0, pieces, at_once):
            chosen = slice(begin, begin + at_once)
            compositions = composer.compose(
                beginnings[chosen],
                bars=bars,
                seeds=seeds[chosen],
                sampling=sampling,
                threshold=threshold,
                tempo=tempo,
                metre=wanted,
                ending=ending,
                wishes=wishes,
                no_copies=refusing,
            )
            for composition, beginning in zip(compositions, beginnings[chosen], strict=True):
                start = NOISE if beginning is None else beginning.name
                start += "" if ending is None else f"-to-{ending.name}"
                name = _name_piece(composer, start, options)
                command = _command(composer, {**options, "seed": composition.seed, "pieces": 1})
                details: dict[str, Any] = {"options": options, "command": command}
                if beginning is not None and beginning.origin:
                    details["from"] = beginning.origin
                if ending is not None:
                    details["to"] = ending.origin
                if nearest is not None:
                    details["nearest"] = nearest.of_bars(composition)
                yield Made(f"{name}-seed{composition.seed}", composition, details)

    return write_pieces(
        Path(out),
        composer,
        make(),
        pieces,
        wav=wav is not False and not silent,
        pictures=pictures,
        musicxml=musicxml,
        progress=progress,
        say=say,
    )


@dataclass(frozen=True)
class NearestWritten:
    """For written bars the training bars most like them, where the corpus is at hand."""

    kind: BarKind
    tunes: KnownTunes

    @classmethod
    def of(cls, composer: Composer) -> "NearestWritten | None":
        """Of a composer's training tunes; None where they are not at hand."""
        try:
            return cls(composer.kind, KnownTunes(corpus_of(composer.origin)))
        except (CorpusError, KeyError):
            return None

    def of_bars(self, composition: Composition) -> list[dict[str, Any] | None]:
        """For each written bar its nearest: how near, 0-1, its piece and bar; None for none."""
        starts = self.kind.starts_of(composition.metres)
        bar_notes, index = cut_at_bar_lines(composition.notes, starts)
        found = []
        for bar in range(composition.n_given_bars, composition.n_bars):
            notes = bar_notes[index[bar] : index[bar + 1]]
            nearest = self.tunes.nearest(notes, normal_metre(composition.metres[bar]))
            found.append(None if nearest is None else nearest._asdict())
        return found


def _begin_all(
    composer: Composer, from_bar: str, seeds: list[int], track: int | str
) -> list[Beginning | None]:
    if from_bar in (HELD_OUT, TRAINING):
        return list(begin_from_corpus(composer, seeds=seeds, part=from_bar))
    return [begin_from(composer, from_bar, track=track)] * len(seeds)


def _name_piece(composer: Composer, start: str, options: dict[str, Any]) -> str:
    """What decided the piece but its seed, short enough for a file name."""
    name = f"{start}-{options['bars']}bars"
    if options["temperature"] != composer.sampling.temperature:
        name += f"-temperature{_show(options['temperature'])}"
    for option in ("follow", "choose", "repeat", "threshold", "tempo"):
        if option in options:
            name += f"-{option}{_show(options[option])}"
    if "density" in options:
        name += f"-density{_show(options['density'])}"
    if "register" in options:
        name += f"-register{options['register']}"
    if "chords" in options:
        name += "-chords"
        name += hashlib.sha256(options["chords"].encode()).hexdigest()[:6]
    if "metre" in options:
        name += f"-metre{options['metre'].replace('/', '-')}"
    if "no-copies" in options:
        name += f"-nocopies{options.get('strictness', '')}"
    return name


def _show(value: float) -> str:
    """The number in as few digits as tell it from all others."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(float(value))


def _command(composer: Composer, options: dict[str, Any]) -> str:
    usual = composer.path == FOLDER
    run = [] if usual else [typed_for(composer.path)]
    words = ["nextbar", "generate", *run, "--out", "FOLDER"]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif (name, value) != ("track", "all") and (
            (name, value) != ("temperature", composer.sampling.temperature)
        ):
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)
