"""A trained model as a writer of music."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from symusic.core import ScoreTick

from nextbar.errors import CopiedError, RunError, UsageError
from nextbar.frames.checkpoint import digest_of, load_model
from nextbar.frames.config import Sampling
from nextbar.frames.model import After, Model
from nextbar.frames.record import read_description
from nextbar.frames.replicas import choose_device
from nextbar.frames.rollout import roll_out, roll_out_choosing, row_of
from nextbar.music.bars import (
    FULL_VELOCITY,
)
from nextbar.music.kind import BarKind
from nextbar.music.metre import parse_metre
from nextbar.music.score import Sound, to_score
from nextbar.music.tunes import Metre
from nextbar.shipped import find_run, typed_for
from nextbar.writing.hearing import frames_behind, hear, kinds_of, to_frames
from nextbar.writing.joining import join_bars
from nextbar.writing.piece import (
    FAINTEST,
    Before,
    Beginning,
    Composition,
    Ending,
    Towards,
    check_bars,
    check_seed,
    check_tempo,
    check_threshold,
)
from nextbar.writing.wishes import Wishes

if TYPE_CHECKING:
    from nextbar.measures.fingerprints import Fingerprints
    from nextbar.writing.no_copies import NoCopies


class Composer:
    """A trained model, ready to write.

    ``model`` holds the networks, ``kind`` the grid, metre and tempo of the
    music it was trained on, ``origin`` what the run says it was made from,
    ``checkpoint`` the sha256 of its weights' file, ``sampling`` how it writes
    where nothing else is asked for.
    """

    def __init__(
        self,
        model: Model,
        kind: BarKind,
        *,
        origin: dict[str, Any],
        path: Path,
        checkpoint: str,
        sampling: Sampling,
    ) -> None:
        self.model = model
        self.kind = kind
        self.origin = origin
        self.path = path
        self.checkpoint = checkpoint
        self.sampling = sampling

    @property
    def threshold(self) -> float:
        """The default threshold, 0-1: a third of the median velocity of the training notes.

        What a generator in a plane draws in a cell is about the velocity of a note
        there times its probability: a note is heard from one chance in three.
        At one in two, a model trained for minutes leaves out a third of the notes.
        A generator in columns has decided by itself what is heard.
        """
        if self.model.config.layout == "columns":
            return FAINTEST
        return self.kind.median_velocity / FULL_VELOCITY / 3

    @property
    def sound(self) -> Sound:
        """How it sounds where nothing is given: a piano, in the corpus's tempo."""
        return Sound(self.kind.tempo)

    @cached_property
    def fingerprints(self) -> "Fingerprints":
        """Of the bars that it was trained on. RunError where neither they nor the tunes are there.

        It reads them in the run's folder, or makes them of its corpus.
        """
        from nextbar.measures.fingerprints import fingerprints_of

        return fingerprints_of(self.path, self.origin)

    def no_copies(self, strictness: int = 1) -> "NoCopies":
        """What no written bar may be: to be given to :meth:`compose`.

        strictness: 1, no bar and no two-bar phrase is one of the training tunes in any
        key; 2, nor is any bar so but for one note. Raises RunError as ``fingerprints``.
        """
        from nextbar.writing.no_copies import NoCopies

        return NoCopies(self.fingerprints, strictness)

    def generate(
        self,
        *,
        bars: int = 16,
        seed: int = 0,
        beginning: Beginning | None = None,
        ending: Ending | None = None,
        tempo: float | None = None,
        metre: str | None = None,
        temperature: float | None = None,
        follow: float | None = None,
        choose: float | None = None,
        repeat: float | None = None,
        threshold: float | None = None,
        wishes: Wishes | None = None,
        no_copies: bool = False,
        strictness: int = 1,
    ) -> ScoreTick:
        """One piece as a ``symusic.Score``, with ``bars`` bars written behind the beginning.

        beginning: what to go on from (testing model 1), from
        ``nextbar.begin_from``; None begins from noise (testing model 2). ending:
        what to lead to, from ``nextbar.end_at``. tempo: in
        quarters a minute; None is that of the beginning, else the corpus's. metre:
        of the written bars, as "6/8"; None is that of the last given bar, else the
        corpus's most frequent. temperature, follow: how far each bar strays from
        the likeliest, and how closely it follows those before, choose: how much the
        discriminator of phrases decides, repeat: how readily whole bars come again, see
        :class:`nextbar.frames.config.Sampling`; None is what the run says.
        threshold: the intensity, 0-1, from which a cell is heard. wishes: how many
        notes, how high, on which chords, ``nextbar.Wishes``. no_copies: no written
        bar, and no two-bar phrase, is one of the training tunes in any key;
        strictness: see :meth:`no_copies`; CopiedError where that cannot be. The same
        arguments give the same piece.
        """
        sampling = self.asked(temperature, follow, choose, repeat)
        (composition,) = self.compose(
            [beginning],
            bars=bars,
            seeds=[seed],
            ending=ending,
            wishes=wishes,
            sampling=sampling,
            threshold=threshold,
            tempo=tempo,
            metre=None if metre is None else parse_metre(metre),
            no_copies=self.no_copies(strictness) if no_copies else None,
        )
        if composition.check is not None and not composition.check.is_passed:
            raise CopiedError(
                f"seed {seed}: every draw of bar {composition.check.stuck_at} was a copy of a "
                "training bar; choose another seed, a higher temperature or a strictness of 1"
            )
        return self.to_score(composition, f"nextbar seed {seed}")

    def asked(
        self,
        temperature: float | None,
        follow: float | None,
        choose: float | None = None,
        repeat: float | None = None,
    ) -> Sampling:
        """How to write where some of this is asked for, or nothing.

        Raises UsageError where the discriminator of phrases is to choose, or bars are to come again
        more or less readily, and the model has not learned it.
        """
        if repeat is not None and (self.model.pointer is None or not self.model.pointer.n_updates):
            raise UsageError(
                f"repeat: {typed_for(self.path)} has not learned when bars come again (--repeats); "
                "leave it out, or train a model with the preset default"
            )
        if choose and (self.model.phrases is None or not self.model.phrases.n_updates):
            raise UsageError(
                f"choose: {typed_for(self.path)} has no discriminator of phrases "
                "(--phrase-updates); leave it out, or train one: the preset default has it"
            )
        asked = {"temperature": temperature, "follow": follow, "choose": choose, "repeat": repeat}
        return replace(self.sampling, **{k: v for k, v in asked.items() if v is not None})

    def compose(
        self,
        beginnings: Sequence[Beginning | None],
        *,
        bars: int,
        seeds: Sequence[int],
        sampling: Sampling | None = None,
        threshold: float | None = None,
        tempo: float | None = None,
        metre: Metre | Sequence[Metre] | None = None,
        ending: Ending | None = None,
        wishes: Wishes | None = None,
        no_copies: "NoCopies | None" = None,
    ) -> list[Composition]:
        """A piece for each beginning and seed, computed side by side.

        beginnings: all None (testing model 2), or none of them (model 1). A
        piece does not depend on the others it is computed with. tempo: None is
        that of what is gone on from, else the corpus's. metre: of all written
        bars, or of each; None is that of the last given bar, else the corpus's
        most frequent. Raises UsageError for one that the model does not know.
        ending: what all of them lead to, behind the written bars; UsageError of a
        model that does not read ahead. wishes: what is asked of the written bars; of a
        model in columns, and for the price of a whole group of pieces each.
        no_copies: from the method of that name; each piece then has a ``check``, and
        one that has not passed it ends before the bar that could not be drawn.
        """
        check_bars(bars)
        check_tempo(tempo)
        check_threshold(threshold)
        for seed in seeds:
            check_seed(seed)
        heard_from = self.threshold if threshold is None else threshold
        given = [beginning for beginning in beginnings if beginning is not None]
        assert len(given) in (0, len(beginnings)), "begin all pieces from bars, or all from noise"
        metres = [self.metres_of(beginning, bars, metre, ending) for beginning in beginnings]
        if no_copies is not None:
            from nextbar.writing.no_copies import compose_new

            if ending is not None or (wishes is not None and wishes.any):
                raise UsageError(
                    "no-copies goes with no bars that are led to, and no density, register or "
                    "chords; leave one out, and look with nextbar verify"
                )
            pieces = compose_new(
                self,
                beginnings,
                metres,
                seeds=seeds,
                sampling=self.sampling if sampling is None else sampling,
                threshold=heard_from,
                no_copies=no_copies,
            )
            return _at_tempo(pieces, tempo)
        befores = [beginning.last_bars for beginning in given]
        first = to_frames(befores) if given else None
        how: dict[str, Any] = {
            "n_frames": bars,
            "sampling": self.sampling if sampling is None else sampling,
            "perceive": lambda drawn: hear(drawn, heard_from),
        }
        kinds = kinds_of(self.kind, befores, metres)
        after = None if ending is None else self.after([ending.first_bars] * len(beginnings))
        if wishes is None or not wishes.any:
            frames = roll_out(self.model, first, seeds=seeds, kinds=kinds, after=after, **how)
        else:
            self._check_wishes()
            each = []
            for nth, (seed, beginning) in enumerate(zip(seeds, beginnings, strict=True)):
                this = slice(nth, nth + 1)
                front = beginning or ending
                transposed = 0 if front is None else front.transposed
                written = roll_out_choosing(
                    self.model,
                    None if first is None else first[this],
                    seed=seed,
                    kinds=None if kinds is None else kinds[this],
                    after=None if after is None else row_of(after, nth),
                    wish=wishes.wish(transposed),
                    rows=wishes.rows(bars, transposed),
                    **how,
                )
                each.append(written)
            frames = torch.cat(each)
        rolls = (frames * FULL_VELOCITY).round().to(torch.uint8).numpy()
        pieces = [
            join_bars(self.kind, beginning, written, seed, of_written, ending)
            for beginning, written, seed, of_written in zip(
                beginnings, rolls, seeds, metres, strict=True
            )
        ]
        return _at_tempo(pieces, tempo)

    def to_score(self, composition: Composition, name: str) -> ScoreTick:
        """The piece as a score of one track, which has the name where it has none of its own."""
        sound = composition.sound._replace(name=composition.sound.name or name)
        return to_score(
            composition.notes,
            steps_per_quarter=self.kind.steps_per_quarter,
            metres=composition.metres,
            **sound._asdict(),
        )

    def after(self, bars: Sequence[Before | Towards]) -> After:
        """The bars behind those to be written, for each piece, as a rollout is told.

        Raises UsageError of a model that does not read ahead.
        """
        self.check_reads_ahead()
        return frames_behind(bars, self.kind, max(self.model.config.ahead))

    def _check_wishes(self) -> None:
        if self.model.config.layout != "columns":
            raise UsageError(
                f"{typed_for(self.path)} is a model in a plane, as the paper's is, which cannot be "
                "asked for density, register or chords; leave them out, or train the preset default"
            )

    def check_reads_ahead(self) -> None:
        """Raises UsageError of a model that does not read the bars that come after."""
        if not self.model.config.ahead:
            raise UsageError(
                f"{typed_for(self.path)} was not trained to lead to bars that come after "
                "(--ahead); go on from a bar without them, or train a model with the preset default"
            )

    def metres_of(
        self,
        beginning: Beginning | None,
        bars: int,
        metre: Metre | Sequence[Metre] | None,
        ending: Ending | None = None,
    ) -> tuple[Metre, ...]:
        """The metre of each written bar; see :meth:`compose`."""
        given = beginning.metres[-1:] if beginning else ending.metres[:1] if ending else ()
        if metre is None:
            metre = given[0] if given else self.kind.metre
        of_each: tuple[Metre, ...] = tuple(each for each in metre if isinstance(each, tuple))
        if not of_each:
            numerator, denominator = metre
            assert isinstance(numerator, int)
            assert isinstance(denominator, int)
            of_each = ((numerator, denominator),) * bars
        if len(of_each) != bars:
            raise UsageError(f"metre: {len(of_each)} metres for {bars} bars; give one for each")
        self.kind.numbers_of(of_each)  # refuses what the model does not know
        return of_each


def _at_tempo(pieces: list[Composition], tempo: float | None) -> list[Composition]:
    """The pieces in that tempo; None leaves them as they are."""
    if tempo is None:
        return pieces
    return [replace(piece, sound=piece.sound._replace(tempo=tempo)) for piece in pieces]


def load(run: str | Path | None = None, *, device: str = "auto") -> Composer:
    """The trained model in a run folder, ready to write music; without one, nextbar's own.

    run: also a model that is one file, or the name of one that comes with nextbar:
    fiddle, piano or chorales. Nothing in it is executed: weights are safetensors, the rest is
    JSON. Raises RunError where it is no run, or damaged.
    """
    run = find_run(run)
    _, shape, origin, widths = read_description(run)
    try:
        kind = BarKind.from_json(origin["corpus"])
        sampling = Sampling(**origin["sampling"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run} was not trained on music: {error} is not in its origin") from error
    if (shape, widths or kind.widths) != (kind.frame_shape, kind.widths):
        raise RunError(f"{run} is damaged: frames of {shape}, bars of {kind.frame_shape}")
    model, _ = load_model(run, choose_device(device))
    sha256 = digest_of(run)
    return Composer(model, kind, origin=origin, path=run, checkpoint=sha256, sampling=sampling)
