"""A corpus of bars and the core's training, joined in a run folder that survives interruption."""

import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nextbar._version import __version__
from nextbar.errors import (
    ConfigError,
    CorpusError,
    OutputError,
    RunError,
    TrainingError,
    UsageError,
)
from nextbar.frames import checkpoint, record
from nextbar.frames.config import Config, Sampling, override
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches, Sequences, previous_frames
from nextbar.frames.phrase_training import train_phrases
from nextbar.frames.pointer import UPDATES, learn_to_point
from nextbar.frames.record import Description
from nextbar.frames.replicas import (
    Precision,
    Replicas,
    choose_device,
    choose_precision,
    few_threads,
    launch,
)
from nextbar.frames.training import StepDone, Training, begin_training
from nextbar.frames.training import train as train_model
from nextbar.music.bars import FULL_VELOCITY
from nextbar.music.corpus import Corpus
from nextbar.music.metre import show_metre
from nextbar.training.presets import DEFAULT_PRESET, Preset, find_preset
from nextbar.training.watch import Watch
from nextbar.writing.hearing import hear
from nextbar.writing.piece import FAINTEST

MAY_CHANGE = ("epochs", "phrase_updates", "repeats")
"""Fields that may differ when a run is continued: they say nothing of encoder and generator."""


@dataclass(frozen=True)
class Run:
    """A folder with a trained, or half trained, model.

    is_first: whether this is the process that writes and speaks, of several
    that have trained together.
    """

    path: Path
    epoch: int
    config: Config
    is_first: bool = True


class CorpusFrames:
    """The rolls of a corpus, drawn when asked for: memory does not grow with the corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return self._corpus.n_bars

    def __getitem__(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return self._corpus.rolls(numbers)


def train(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    preset: str | None = None,
    config: dict[str, Any] | None = None,
    device: str = "auto",
    devices: int | None = None,
    precision: Precision | None = None,
    checkpoint_epochs: int = 1,
    sample_epochs: int = 5,
    progress: Callable[[StepDone], None] | None = None,
    phrase_progress: Callable[[int, int, float], None] | None = None,
    pointer_progress: Callable[[int, int, float], None] | None = None,
    **fields: Any,
) -> Run:
    """The run in the folder ``out``, trained to its last epoch; continued if it exists already.

    preset: where the configuration starts from. config: fields that replace
    the preset's; ``fields``, by name, replace those: see ``nextbar.Config``. A
    run that exists goes on as it was begun; only ``epochs``, ``phrase_updates``
    and ``repeats`` may be other then.
    devices: how many processes train together on this machine; under
    ``torchrun`` or SLURM as many as that has started. precision: what networks
    compute in, "bfloat16" or "float32"; None is what the run was begun with,
    at first bfloat16 where the processor has it. checkpoint_epochs,
    sample_epochs: epochs between two checkpoints, and between two pictures of
    what the model writes. progress: called after each step, in the first
    process; phrase_progress: with the number done, of how many, and the loss,
    after each update of the discriminator of phrases, which is trained behind
    the rest, and pointer_progress so of what says which bar comes again (``repeats``),
    behind the rest too. An interrupt (Ctrl-C) ends the step under way, saves a checkpoint
    and raises KeyboardInterrupt.

    Raises CorpusError for no corpus or too small a one, ConfigError for a
    field or value, RunError where ``out`` cannot be continued, OutputError
    where it cannot be written, TrainingError where a loss is no longer finite
    or a process that trains along has ended.
    """
    for name, epochs in (
        ("checkpoint_epochs", checkpoint_epochs),
        ("sample_epochs", sample_epochs),
    ):
        if epochs < 1:
            raise UsageError(f"{name}: {epochs} is not 1 or more")
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    run = Path(out)
    chosen = {**(config or {}), **fields}
    if (run / record.DESCRIPTION).exists():
        before = record.read_description(run)
        settings = _continued_config(run, before, opened, preset, chosen)
        computed_in = _continued_precision(run, before, precision)
        description = before._replace(config=settings)
    else:
        start = find_preset(preset or DEFAULT_PRESET)
        settings = fitted(start, override(start.config, **chosen), opened, chosen)
        computed_in = precision or choose_precision(choose_device(device))
        origin = origin_of(opened, start.sampling, computed_in)
        description = Description(settings, opened.kind.frame_shape, origin, widths_of(opened))
    pairs = training_pairs(opened, settings)
    replicas = launch(device=device, devices=devices, precision=computed_in)
    if record.has_checkpoint(run):
        training = checkpoint.load_training(run, settings, replicas.device)
    else:
        model = build_model(opened.kind.frame_shape, settings, widths_of(opened))
        training = begin_training(model.to(replicas.device))
    watch = None
    if replicas.is_first:
        _describe(run, description)
        sampling = Sampling(**description.origin["sampling"])
        watch = Watch(
            run,
            opened,
            training,
            sampling,
            sample_epochs=sample_epochs,
            progress=progress,
            phrase_progress=phrase_progress,
            pointer_progress=pointer_progress,
        )
    try:
        train_to_the_end(run, training, pairs, replicas, watch, checkpoint_epochs)
        if watch is not None:
            train_its_pointer(run, training, pairs, watch)
            train_its_phrases(run, training, pairs, sampling, watch)
    except TrainingError as error:
        raise TrainingError(f"{error}; {_last_good(run)}") from error
    finally:
        if watch is not None:
            watch.close()
    return Run(run, training.epoch, settings, replicas.is_first)


def fitted(preset: Preset, config: Config, corpus: Corpus, chosen: Collection[str]) -> Config:
    """The configuration for a corpus that may be small: what is in ``chosen`` stays as it is.

    The batch is no larger than there are pairs, and there are as many epochs as
    the preset's least updates take.
    """
    n_pairs = len(previous_frames(corpus.piece_index, corpus.pieces("training")))
    if "batch" not in chosen and n_pairs >= FEWEST_PAIRS:
        config = override(config, batch=min(config.batch, n_pairs))
    if "epochs" not in chosen and n_pairs:
        config = override(config, epochs=preset.epochs_for(n_pairs, config))
    return config


FEWEST_PAIRS = 2
"""What a batch has at least."""


def _last_good(run: Path) -> str:
    if not record.has_checkpoint(run):
        return "there is no checkpoint yet"
    path = run / record.WEIGHTS
    return f"the last good checkpoint, {path}, is of epoch {record.read_epoch(run)}"


def widths_of(corpus: Corpus) -> tuple[int, ...]:
    """How many steps a bar of each metre has; none where there is one metre, as all are alike."""
    return corpus.kind.widths if len(corpus.metres) > 1 else ()


def sequences_of(corpus: Corpus) -> Sequences:
    """The bars of a corpus as frames, each of the kind that its metre is."""
    several = widths_of(corpus)
    return Sequences(
        CorpusFrames(corpus),
        corpus.piece_index,
        full_scale=FULL_VELOCITY,
        kinds=corpus.bar_metres if several else None,
        widths=several,
    )


def training_pairs(corpus: Corpus, config: Config) -> PairBatches:
    """The pairs of the training pieces. Raises CorpusError that says what the corpus lacks."""
    if config.layout == "plane" and widths_of(corpus):
        metres = ", ".join(map(show_metre, corpus.metres[:4]))
        raise ConfigError(
            f"{corpus.path}: its bars are in {len(corpus.metres)} metres ({metres} ...), and the "
            "paper's networks (layout plane) know bars of one; prepare it with --metre "
            f"{show_metre(corpus.metres[0])} or --grid seconds, or train another preset"
        )
    sequences = sequences_of(corpus)
    pieces = corpus.pieces("training")
    try:
        return PairBatches(
            sequences,
            pieces,
            config.batch,
            config.seed,
            config.history,
            config.forget,
            config.ahead,
        )
    except CorpusError as error:
        raise CorpusError(
            f"{corpus.path}: no pair of consecutive bars to train on in {len(pieces)} training "
            f"pieces ({corpus.n_pieces} pieces, {corpus.n_bars} bars in all); add longer files"
        ) from error


def _continued_config(
    run: Path, begun: Description, corpus: Corpus, preset: str | None, chosen: dict[str, Any]
) -> Config:
    """The configuration to go on with. Raises RunError where that would be another run."""
    before = begun.origin.get("corpus", {})
    if before.get("fingerprint") != corpus.fingerprint:
        raise RunError(
            f"{run} was begun on another corpus than {corpus.path} is now ({before.get('path')}, "
            f"{before.get('bars')} bars); choose another folder for a new run"
        )
    wanted = override(begun.config, **chosen)
    if preset is not None:
        start = find_preset(preset)
        wanted = fitted(start, override(start.config, **chosen), corpus, chosen)
    names = [name for name in wanted.to_dict() if preset is not None or name in chosen]
    for name in names:
        was, now = getattr(begun.config, name), getattr(wanted, name)
        if was != now and name not in MAY_CHANGE:
            raise RunError(_begun_otherwise(run, name, was, now))
    changes = {name: getattr(wanted, name) for name in MAY_CHANGE if name in chosen}
    return override(begun.config, **changes)


def _continued_precision(run: Path, begun: Description, wanted: Precision | None) -> Precision:
    """What to go on computing in: what the run was begun with. RunError where that is not it."""
    was: Precision = begun.origin["precision"]
    if wanted not in (None, was):
        raise RunError(_begun_otherwise(run, "precision", was, wanted))
    return was


def _begun_otherwise(run: Path, name: str, was: Any, now: Any) -> str:
    return (
        f"{run} was begun with {name} {was}, not {now}; leave it out to continue, "
        "or choose another folder for a new run"
    )


def origin_of(corpus: Corpus, sampling: Sampling, precision: Precision) -> dict[str, Any]:
    """What a run keeps of where it comes from."""
    return {
        "nextbar": __version__,
        "torch": str(torch.__version__),
        "precision": precision,
        "sampling": asdict(sampling),
        "corpus": {
            "path": str(corpus.path.resolve()),
            "source": corpus.manifest["source"],
            "fingerprint": corpus.fingerprint,
            "pieces": corpus.n_pieces,
            "bars": corpus.n_bars,
            "bars_in": corpus.manifest.get("bars_in", {}),  # the seconds grid has no metres
            **corpus.kind.to_json(),
        },
    }


def _describe(run: Path, description: Description) -> None:
    """Writes run.json; refuses a folder that holds something else."""
    if (run / record.DESCRIPTION).exists():
        if record.read_description(run) == description:
            return
    elif run.exists() and not (run.is_dir() and not any(run.iterdir())):
        raise OutputError(f"{run} exists and is not a run; choose another folder")
    record.describe_run(run, description)


def train_to_the_end(
    run: Path,
    training: Training,
    pairs: PairBatches,
    replicas: Replicas,
    watch: Watch | None,
    checkpoint_epochs: int,
    is_enough: Callable[[], bool] = lambda: False,
) -> None:
    """Trains, and saves what is due. watch: in the first process, which alone writes.

    is_enough: asked behind each epoch, before its checkpoint: whether it is the last.
    """
    config = training.model.config
    if training.epoch < config.epochs:  # it would judge what is not written any more
        _forget_phrases(training)
    with _interrupt_noted() as interrupted, _partners_needed(replicas), few_threads(config):
        for now in train_model(training, pairs, replicas):
            is_last = now.ends_epoch and (is_enough() or now.epoch == config.epochs)
            is_due = now.ends_epoch and now.epoch % checkpoint_epochs == 0
            stops = replicas.any(interrupted.is_set()) and not is_last
            if watch is not None:
                if now.ends_epoch:
                    watch.record(now)
                if is_due or is_last or stops:
                    checkpoint.save_training(run, training)
                watch.show(now)
            if stops:
                raise KeyboardInterrupt
            if is_last:
                break
        replicas.wait()


def train_its_pointer(run: Path, training: Training, pairs: PairBatches, watch: Watch) -> None:
    """Trains what says which frame comes again, and saves it; where that is done, not.

    In one process, and from real frames alone, so that it stays as it is where a run goes on.
    """
    writer = training.writer
    if writer.pointer is None or writer.pointer.n_updates:
        return
    pointer = writer.pointer.requires_grad_(True)
    losses = learn_to_point(pointer, pairs, writer.config)
    with _interrupt_noted() as interrupted, few_threads(writer.config):
        for nth, loss in enumerate(losses, 1):
            watch.show_pointer(nth, UPDATES, loss)
            if interrupted.is_set():
                raise KeyboardInterrupt
    pointer.requires_grad_(False)
    if training.averaged is not None and training.model.pointer is not None:
        training.model.pointer.load_state_dict(pointer.state_dict())
    _forget_phrases(training)  # what is written is another now
    checkpoint.save_training(run, training)


def train_its_phrases(
    run: Path, training: Training, pairs: PairBatches, sampling: Sampling, watch: Watch
) -> None:
    """Trains the discriminator of phrases behind the rest, and saves it; where that is done, not.

    In one process, on what the run's networks write as they are now. An
    interrupt leaves the checkpoint without it, and the same command begins with it again.
    """
    writer = training.writer
    if writer.phrases is None or writer.phrases.n_updates:
        return
    writer.phrases.requires_grad_(True)
    losses = train_phrases(
        writer,
        pairs.sequences,
        pairs.chosen,
        sampling=sampling,
        perceive=lambda drawn: hear(drawn, FAINTEST),
    )
    with _interrupt_noted() as interrupted, few_threads(writer.config):
        for nth, loss in enumerate(losses, 1):
            watch.show_phrases(nth, writer.config.phrase_updates, loss)
            if interrupted.is_set():
                raise KeyboardInterrupt
    writer.phrases.requires_grad_(False)
    if training.averaged is not None and training.model.phrases is not None:
        training.model.phrases.load_state_dict(writer.phrases.state_dict())
    checkpoint.save_training(run, training)


def _forget_phrases(training: Training) -> None:
    for model in (training.model, training.averaged):
        if model is not None and model.phrases is not None:
            model.phrases.n_updates.zero_()


@contextmanager
def _partners_needed(replicas: Replicas) -> Iterator[None]:
    """Says it in a sentence where a process that trains along has ended."""
    try:
        yield
    except RuntimeError as error:
        if replicas.world == 1:
            raise
        raise TrainingError(
            f"one of the {replicas.world} processes that train together has ended "
            f"({str(error).splitlines()[0]}); the same command goes on from the last checkpoint"
        ) from error


@contextmanager
def _interrupt_noted() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets instead of breaking in, so that no step is left half done."""
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # signals come to the main thread only
        return
    before = signal.signal(signal.SIGINT, lambda *_: noted.set())
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
