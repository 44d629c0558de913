"""What one sees of a training: its history, TensorBoard events, pictures of what it writes.

RUN/
history.jsonl             one line an epoch
events/                   the same figures, for TensorBoard
samples/epoch-0005.png    what the model writes, every ``sample_epochs`` epochs
losses.png                every epoch's figures, drawn when training ends
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from nextbar.frames import record
from nextbar.frames.config import Sampling
from nextbar.frames.training import StepDone, Training
from nextbar.music.corpus import Corpus
from nextbar.music.picture import Panel, draw_contact_sheet, save_png
from nextbar.writing.beginning import begin_from_bars
from nextbar.writing.composer import Composer
from nextbar.writing.piece import Beginning

SAMPLE_BARS = 5
SAMPLES_OF_EACH = 4


class Watch:
    """Writes down what a training comes to, epoch by epoch, in its run folder."""

    def __init__(
        self,
        run: Path,
        corpus: Corpus,
        training: Training,
        sampling: Sampling,
        *,
        sample_epochs: int,
        progress: Callable[[StepDone], None] | None,
        phrase_progress: Callable[[int, int, float], None] | None = None,
        pointer_progress: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self._run = run
        self._corpus = corpus
        self._training = training
        self._sampling = sampling
        self._sample_epochs = sample_epochs
        self._progress = progress
        self._phrase_progress = phrase_progress
        self._pointer_progress = pointer_progress
        self._epoch_began = time.monotonic()
        # Events of epochs that were lost with an interruption are hidden by the purge.
        self._events = SummaryWriter(str(run / "events"), purge_step=training.epoch + 1)

    def record(self, now: StepDone) -> None:
        """Writes an epoch's figures down. To be called before its checkpoint is written.

        Whatever comes between the two, no epoch of a checkpoint lacks its line:
        a line too many is dropped when the epoch is trained again.
        """
        seconds = time.monotonic() - self._epoch_began
        record.append_history(self._run, now.epoch, now.figures._asdict(), seconds)
        for name, value in now.figures._asdict().items():
            if value == value:  # what the epoch did not compute is not-a-number
                self._events.add_scalar(name, value, now.epoch)
        self._events.add_scalar("seconds", seconds, now.epoch)
        self._events.flush()

    def show(self, now: StepDone) -> None:
        """Draws samples where they are due, and tells the caller of the step."""
        if now.ends_epoch:
            is_last = now.epoch == self._training.model.config.epochs
            if now.epoch % self._sample_epochs == 0 or is_last:
                self._draw_samples(now.epoch)
            self._epoch_began = time.monotonic()
        if self._progress is not None:
            self._progress(now)

    def show_phrases(self, n_done: int, n_updates: int, loss: float) -> None:
        """Tells of an update of the discriminator of phrases."""
        self._show_behind("phrases", self._phrase_progress, n_done, n_updates, loss)

    def show_pointer(self, n_done: int, n_updates: int, loss: float) -> None:
        """Tells of an update of what says which bar comes again."""
        self._show_behind("pointer", self._pointer_progress, n_done, n_updates, loss)

    def _show_behind(
        self,
        network: str,
        progress: Callable[[int, int, float], None] | None,
        n_done: int,
        n_updates: int,
        loss: float,
    ) -> None:
        if n_done % 50 == 0 or n_done == n_updates:
            self._events.add_scalar(network, loss, n_done)
        if progress is not None:
            progress(n_done, n_updates, loss)

    def close(self) -> None:
        """Ends the events, and draws the losses so far."""
        self._events.close()
        history = record.read_history(self._run)
        if history:
            save_png(draw_history(history), self._run / "losses.png")

    def _draw_samples(self, epoch: int) -> None:
        kind, model = self._corpus.kind, self._training.writer
        composer = Composer(
            model, kind, origin={}, path=self._run, checkpoint="", sampling=self._sampling
        )
        starts = _first_bars(self._corpus, SAMPLES_OF_EACH)
        seeds = range(SAMPLES_OF_EACH)
        pieces = composer.compose([None] * len(seeds), bars=SAMPLE_BARS, seeds=seeds)
        if starts:
            continued = composer.compose(starts, bars=SAMPLE_BARS - 1, seeds=seeds[: len(starts)])
            pieces = [*continued, *pieces]
        self._training.model.train()  # composing may have put it in evaluation mode
        panels = [
            Panel(
                piece.notes,
                kind.starts_of(piece.metres),
                piece.n_given_bars,
                f"seed {piece.seed}",
                piece.metres,
            )
            for piece in pieces
        ]
        sheet = draw_contact_sheet(
            panels,
            n_columns=SAMPLES_OF_EACH,
            title=f"after epoch {epoch}: from a real bar, and from noise",
        )
        save_png(sheet, self._run / "samples" / f"epoch-{epoch:04}.png")


def _first_bars(corpus: Corpus, n: int) -> list[Beginning]:
    """The first sounding bar of the first pieces, held-out ones where there are any."""
    part = corpus.pieces("held_out")
    chosen = part if len(part) else corpus.pieces("training")
    sounds = np.diff(corpus.bar_index) > 0
    firsts: list[int] = []
    for piece in chosen[: 4 * n]:
        firsts += [bar for bar in corpus.bars_of(int(piece)) if sounds[bar]][:1]
    firsts = firsts[:n]
    return begin_from_bars(corpus, firsts, "sample")


PLOTS = {
    "losses (Eqs. 8, 9 and 10)": ("encoder", "discriminator", "generator"),
    "KL and feature matching (Eqs. 5 and 7), nats": ("kl", "feature"),
    "what D takes for real, probability": ("d_real", "d_predicted", "d_sampled"),
}


def draw_history(history: list[dict[str, float | None]]) -> Figure:
    """Every epoch's figures as curves, in three panels."""
    figure = Figure(figsize=(12, 3.4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [line["epoch"] for line in history]
    for axes, (title, names) in zip(figure.subplots(1, 3), PLOTS.items(), strict=True):
        for name in names:
            values = [np.nan if line.get(name) is None else line[name] for line in history]
            axes.plot(epochs, values, label=name.replace("_", " "), marker=".", markersize=3)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
