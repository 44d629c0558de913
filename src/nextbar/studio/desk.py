"""A loaded run and all that the page asks of it, as plain values that JSON can hold."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nextbar.errors import CopiedError, CorpusError, UsageError
from nextbar.measures.bands import Bands, Ranges, bands_of, ranges_of
from nextbar.measures.beside import beside_real, real_values
from nextbar.measures.copying import TrainingBars
from nextbar.measures.fingerprints import FILE as PRINTS
from nextbar.measures.nearness import NEAR, KnownBars
from nextbar.measures.pieces import Piece, in_metres, pieces_of_corpus
from nextbar.music import audio, picture
from nextbar.music.bars import NOTE, BarNotes, Rolls, cut_at_bar_lines
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.grid import semitones_to_c
from nextbar.music.metre import bar_steps, parse_metre, read_metre, show_metre
from nextbar.music.score import STRAIGHT, midi_bytes, to_score
from nextbar.music.sheet import musicxml_bytes
from nextbar.music.summary import FEW_BARS
from nextbar.music.tunes import Metre
from nextbar.shipped import MODELS, name_of
from nextbar.studio.messages import MOST_GIVEN_BARS
from nextbar.writing.bar_by_bar import notes_of_bar
from nextbar.writing.composer import load
from nextbar.writing.made_bars import Change
from nextbar.writing.piece import Composition
from nextbar.writing.sketch import Own, Sketch, Written, recipe_to_json, sound_from_json
from nextbar.writing.workbench import Workbench

Json = dict[str, Any]
MOST_TUNES: Final = 5_000
"""Training tunes that the page lists; of more, the first."""
_SAMPLED: Final = ("temperature", "follow")


class Desk:
    """One run: its model, its training tunes if they are still there, and a workbench.

    Not for several threads at once.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        known = name_of(path.resolve())
        self.known_as = None if known is None else MODELS[known]
        self.composer = load(path)
        self.bench = Workbench(self.composer)
        self._why_no_other_hand = self.bench.why_no_other_hand  # found out now: it takes a moment
        self._live = Workbench(self.composer)  # used by a thread of its own
        self.kind = self.composer.kind
        self.corpus: Corpus | None = None
        self.why_no_corpus = ""
        try:
            self.corpus = corpus_of(self.composer.origin)
        except CorpusError as error:
            self.why_no_corpus = str(error)
        if self.corpus is not None:
            training = TrainingBars.of_corpus(self.corpus)
            self._known = KnownBars(*training.bars, training.metres)
            pieces = self.corpus.pieces("training")
            self._tune_of_bar = np.repeat(pieces, [len(self.corpus.bars_of(p)) for p in pieces])
            self._bar_of_bar = np.concatenate(
                [np.arange(0), *(np.arange(len(self.corpus.bars_of(p))) for p in pieces)]
            )
        self._real = lru_cache(maxsize=8)(self._real_ranges)
        self._bands = Bands({}) if self.corpus else bands_of(path, self.composer.origin)

    @property
    def fingerprint(self) -> str:
        """sha256 of the run's weights."""
        return self.composer.checkpoint

    def describe(self) -> Json:
        """What the page has to know of the run."""
        kind = self.kind
        return {
            "fingerprint": self.fingerprint,
            "name": self.name,
            "plays": self._plays(),
            "metres": self._metres(),
            "steps_per_quarter": kind.steps_per_quarter,
            "tempo": kind.tempo,
            "common_key": kind.common_key,
            "median_velocity": round(kind.median_velocity),
            **asdict(self.composer.sampling),
            "knows_copies": self.corpus is not None or (self.composer.path / PRINTS).is_file(),
            "tunes": self.corpus is not None,
            "bands": self.corpus is not None or bool(self._bands.ranges),
            "why_no_tunes": self.why_no_corpus,
            "why_no_other_hand": self._why_no_other_hand,
        }

    def tunes(self) -> Json:
        """The training tunes by number: name and bars of each."""
        corpus = self._corpus()
        return {
            "tunes": [
                {
                    "number": int(number),
                    "name": corpus.piece_name(int(number)),
                    "bars": len(corpus.bars_of(int(number))),
                }
                for number in corpus.pieces("training")[:MOST_TUNES]
            ]
        }

    def tune(self, number: int) -> Json:
        """The notes of a training tune, as many bars as a piece may begin from."""
        corpus = self._corpus()
        if number not in corpus.pieces("training"):
            raise UsageError(f"there is no training tune {number}")
        bars = corpus.bars_of(number)[:MOST_GIVEN_BARS]
        notes = corpus.notes(bars.start, bars.stop)
        return {
            "name": corpus.piece_name(number),
            "bars": len(bars),
            "metres": list(map(show_metre, corpus.metres_of(bars))),
            "known": [True] * len(bars),
            "starts": corpus.starts(bars.start, bars.stop).tolist(),
            "notes": notes.tolist(),
            "transposed": 0,
        }

    def begin(self, asked: Json) -> Json:
        """A piece without written bars."""
        notes = np.array([tuple(row) for row in asked["notes"]], NOTE)
        sketch = self.bench.begin(
            notes,
            asked["bars"],
            metres=None if asked["metres"] is None else list(map(read_metre, asked["metres"])),
            transposed=asked["transposed"],
            sound=sound_from_json(asked["sound"]),
        )
        return self.show(sketch)

    def compose(self, asked: Json) -> Iterator[Json]:
        """Bar by bar, then the whole piece."""
        yield from self._follow(asked, self.bench.compose)

    def recompose(self, asked: Json) -> Iterator[Json]:
        """Bar by bar, then the whole piece."""
        yield from self._follow(asked, self.bench.recompose)

    def roll_again(self, asked: Json) -> Iterator[Json]:
        """Bar by bar, then the whole piece."""
        yield from self._follow(asked, self.bench.roll_again)

    def fill(self, asked: Json) -> Iterator[Json]:
        """Bar by bar, then the whole piece."""
        yield from self._follow(asked, self.bench.fill)

    def harmonise(self, asked: Json) -> Iterator[Json]:
        """Bar by bar, then the whole piece."""
        yield from self._follow({**asked, "follow": None}, self.bench.harmonise)

    def _follow(
        self, asked: Json, work: Callable[..., Iterator[tuple[Sketch, Change]]]
    ) -> Iterator[Json]:
        """Each bar as it is there, with how many the piece then has; then the piece.

        ``says``: what ended it before it was done, or "".
        """
        sketch, how = self._drawn(asked)
        steps, says = work(sketch, **how), ""
        try:
            for sketch, change in steps:
                n_bars = sketch.n_given + len(sketch.bars)
                yield {"event": "bar", "n_bars": n_bars, "bar": self._show_change(sketch, change)}
        except CopiedError as error:  # what was written before stays
            says = str(error)
        yield {"event": "piece", "piece": self.show(sketch), "says": says}

    def answer(self, asked: Json) -> Json:
        """The next bar of a piece, and what has to stand in its recipe for it.

        ``made``: the recipes of the bars of somebody's own that it was written
        after, as they stood then; ``transposed``: of the piece. How near the bar is
        to a copy is not looked at: nobody waits for that while music plays. It may
        be called while another thread is at the desk.
        """
        sketch, how = self._drawn(asked)
        ((sketch, change),) = self._live.compose(sketch, bars=1, **how)
        assert isinstance(change.recipe, Written)
        heard = {name: sketch.made[name] for name in change.recipe.after if name in sketch.made}
        return {
            "bar": {**self._bar_of(self._live, sketch, change), "nearness": None},
            "made": {n: recipe_to_json(r) for n, r in heard.items() if isinstance(r, Own)},
            "transposed": sketch.transposed,
        }

    def _drawn(self, asked: Json) -> tuple[Sketch, Json]:
        """The piece that is asked about, and how bars of it are to be drawn."""
        how = {key: value for key, value in asked.items() if key not in ("piece", *_SAMPLED)}
        sampling = self.composer.asked(*(asked[key] for key in _SAMPLED))
        if how.pop("no_copies", False):
            how["no_copies"] = self.composer.no_copies()
        if how.get("metre") is not None:
            how["metre"] = parse_metre(how["metre"])
        return self._sketch(asked["piece"]), {**how, "sampling": sampling}

    def _sketch(self, recipe: Json) -> Sketch:
        """The piece of a recipe, which need not say how far its given notes are from the key."""
        if recipe["transposed"] is None:
            given = np.array([tuple(row) for row in recipe["given_notes"]], NOTE)
            semitones = semitones_to_c(given) if self.kind.common_key else 0
            recipe = {**recipe, "transposed": semitones}
        return Sketch.from_json(recipe)

    def alternatives(self, asked: Json) -> Json:
        """Other bars for one place, each with its recipe."""
        sketch, how = self._drawn(asked)
        first = how.pop("seed")
        seeds = range(first, first + how.pop("count"))
        found = self.bench.alternatives(sketch, seeds=seeds, **how)
        return {"bars": [self._show_change(sketch, change) for change in found]}

    def blend(self, asked: Json) -> Json:
        """Bars on the way from one to another, each with its recipe."""
        sketch = self._sketch(asked.pop("piece"))
        found = self.bench.blends(sketch, **asked)
        return {"bars": [self._show_change(sketch, change) for change in found]}

    def open(self, asked: Json) -> Json:
        """The piece that a recipe gives."""
        return self.show(self._sketch(asked["piece"]))

    def show(self, sketch: Sketch) -> Json:
        """The whole piece: its recipe, and the notes and marks of every bar."""
        composition, rolls = self.bench.composition(sketch), self.bench.rolls(sketch)
        starts = self.kind.starts_of(composition.metres)
        rows, index = cut_at_bar_lines(composition.notes, starts)
        bars: list[Json] = []
        for number in range(composition.n_bars):
            written = number - sketch.n_given
            notes = rows[index[number] : index[number + 1]]
            bar: Json = {"notes": _rows(notes), "given": written < 0}
            bar |= self._width_of(composition.metres[number])
            if written >= 0:
                name = sketch.bars[written]
                recipe = sketch.made[name]
                bar |= {"name": name, "own": isinstance(recipe, Own)}
                bar["recipe"] = recipe_to_json(recipe)
                if not bar["own"]:
                    bar |= self._mark(rolls[written], composition.metres[number])
            bars.append(bar)
        return {"recipe": sketch.to_json(), "bars": bars}

    def _show_change(self, sketch: Sketch, change: Change) -> Json:
        shown = self._bar_of(self.bench, sketch, change)
        return shown if shown["own"] else {**shown, **self._mark(change.roll, change.metre)}

    def _bar_of(self, bench: Workbench, sketch: Sketch, change: Change) -> Json:
        return {
            "index": sketch.n_given + change.bar,
            "notes": _rows(bench.notes_of(sketch, change)),
            "given": False,
            "own": isinstance(change.recipe, Own),
            "name": change.name,
            "recipe": recipe_to_json(change.recipe),
            **self._width_of(change.metre),
        }

    def _width_of(self, metre: Metre) -> Json:
        """A bar's metre, and in steps how long it is and each of its beats."""
        steps_per_quarter = self.kind.steps_per_quarter
        return {
            "metre": show_metre(metre),
            "n_steps": bar_steps(metre, steps_per_quarter),
            "beat": picture.beat_steps(metre, steps_per_quarter),
        }

    def _plays(self) -> str:
        """What the model plays, or has learnt from, in a sentence; "" where nothing says it."""
        if self.known_as is not None:
            return self.known_as.plays
        known = [metre for metre in self._metres() if metre["bars"]]
        if not known:
            return ""
        most = " and ".join(metre["metre"] for metre in known[:2])
        n_bars = sum(metre["bars"] for metre in known)
        return f"It has learnt from {n_bars:,} bars, {'most of them ' * (len(known) > 2)}in {most}."

    def _metres(self) -> list[Json]:
        """The metres that the model knows, the most frequent first.

        ``bars``: of the corpus in that metre, null where that is not recorded.
        ``is_little_known``: whether these are few.
        """
        recorded = self.composer.origin.get("corpus", {}).get("bars_in") or {}
        known = []
        for metre in self.kind.metres:
            n_bars = recorded.get(show_metre(metre))
            is_little_known = n_bars is not None and n_bars < FEW_BARS
            more = {"bars": n_bars, "is_little_known": is_little_known}
            known.append({**self._width_of(metre), **more})
        return known

    def _mark(self, roll: Rolls, metre: Metre) -> Json:
        """How near a written bar is to the training bar of its metre most like it, and which."""
        mark: Json = {"nearness": None, "near": "", "is_near": False, "is_copy": False}
        if self.corpus is None:
            return mark
        nearness, bar = self._known.nearest(notes_of_bar(roll, None), metre)
        if math.isnan(nearness):
            return mark
        mark |= {"nearness": nearness, "is_near": nearness >= NEAR, "is_copy": nearness == 1}
        if bar >= 0:
            tune = self.corpus.piece_name(int(self._tune_of_bar[bar]))
            mark["near"] = f"{tune}, bar {self._bar_of_bar[bar] + 1}"
        return mark

    def measures(self, asked: Json) -> Json:
        """The measures of the piece beside held-out tunes: windows of its length and metres."""
        sketch = self._sketch(asked["piece"])
        made = self.bench.composition(sketch)
        if not made.n_bars:
            raise UsageError("there is no bar to measure; compose some first")
        piece = Piece(made.notes, made.n_bars, n_given_bars=made.n_given_bars)
        piece = in_metres(piece, made.metres, self.kind)
        training = TrainingBars.of_corpus(self.corpus) if self.corpus else None
        rows = beside_real(
            piece, self._real(tuple(made.metres)), n_steps=self.kind.n_steps, training=training
        )
        return {
            "bars": made.n_bars,
            "measures": [
                {key: _plain(value) for key, value in row._asdict().items()} for row in rows
            ],
        }

    def _real_ranges(self, metres: tuple[Metre, ...]) -> Ranges:
        """Where windows of as many bars lie, in those metres; without tunes as was kept."""
        if self.corpus is None:
            return self._bands.of(metres)
        return ranges_of(
            real_values(
                pieces_of_corpus(self.corpus, "held_out"),
                n_bars=len(metres),
                n_steps=self.kind.n_steps,
                training=TrainingBars.of_corpus(self.corpus),
                metres=metres,
            )
        )

    def export(self, kind: str, asked: Json) -> bytes:
        """The piece as a file: "mid", "wav", "musicxml" or "png"."""
        made = self.bench.composition(self._sketch(asked["piece"]))
        if kind == "png":
            return self._draw(made)
        tempo = asked["tempo"] or made.sound.tempo
        made = replace(made, sound=made.sound._replace(tempo=tempo))
        if kind == "musicxml":  # it is written straight, and a word says how it is played
            straight = replace(made, sound=made.sound._replace(swing=STRAIGHT))
            score = self.composer.to_score(straight, "nextbar")
            title, swings = "A piece made with nextbar", made.sound.swing > STRAIGHT
            return musicxml_bytes(score, title, n_bars=made.n_bars, swings=swings)
        score = self.composer.to_score(made, "nextbar")
        if kind == "mid":
            return midi_bytes(score, n_bars=made.n_bars)
        return audio.render_wav(score, n_bars=made.n_bars)

    def _draw(self, made: Composition) -> bytes:
        figure = picture.draw_piano_roll(
            made.notes,
            self.kind.starts_of(made.metres),
            steps_per_quarter=self.kind.steps_per_quarter,
            metres=made.metres,
            given_bars=made.n_given_bars,
        )
        return picture.png_bytes(figure)

    def _corpus(self) -> Corpus:
        if self.corpus is None:
            raise UsageError(self.why_no_corpus)
        return self.corpus


def _rows(notes: BarNotes) -> list[list[int]]:
    return [[int(value) for value in row] for row in notes.tolist()]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


PIANO_PITCHES: Final = tuple(range(24, 109, 4))
PIANO_SECONDS: Final = 3.0
PIANO_RATE: Final = 24_000


@lru_cache(maxsize=16)
def instrument_wav(program: int = 0) -> bytes:
    """An instrument's notes as one WAV, 16-bit mono: every fourth key from C1, 3 s each.

    program: General MIDI, from 0, a piano. They are what the page plays with,
    moved to the keys between them; the soundfont is the one that WAV files are made with.
    """
    notes = np.empty(len(PIANO_PITCHES), NOTE)
    steps = round(PIANO_SECONDS * 8)  # at 120 a minute a quarter's fourth is an eighth second
    notes["start"] = steps * np.arange(len(notes))
    notes["duration"], notes["velocity"] = steps - 2, 100
    notes["pitch"] = PIANO_PITCHES
    samples, rate = audio.read_wav(audio.render_wav(to_score(notes, program=program)))
    return audio.write_wav(_mono_at_half_rate(samples), rate // 2)


def _mono_at_half_rate(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """(frames // 2, 1): channels and pairs of samples averaged; a piano has little above 12 kHz."""
    n_frames = len(samples) // 2 * 2
    mono = samples[:n_frames].astype(np.float64).mean(axis=1)
    halved: npt.NDArray[np.int16] = np.rint(mono.reshape(-1, 2).mean(axis=1)).astype(np.int16)
    return halved[:, None]
