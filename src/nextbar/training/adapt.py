"""A trained model and a few files -> a model that has their style, in minutes.

The files become bars in the kind of the base: its grid, its key, its metres. It
is trained on from the base's weights, beside bars of the base's own style, so
that this is not lost; behind every so many steps it is asked what the bars cost
that were held back, and what was best is kept. So nothing has to be chosen.

    RUN/corpus/                      the files as bars, and the bars of the base's style
    RUN/held-back.jsonl              one line each time it was asked
    RUN/best/checkpoint.safetensors  while it is trained; at the end it is the run's
    RUN/fingerprints.safetensors     of the bars that the base and this run were trained on
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from nextbar.errors import OutputError, RunError, UsageError
from nextbar.files import folder_written_whole, write_bytes_atomically
from nextbar.frames import checkpoint, record
from nextbar.frames.config import Config, override
from nextbar.frames.model import Model, build_model
from nextbar.frames.pairs import PairBatches, Sequences
from nextbar.frames.record import Description
from nextbar.frames.replicas import launch
from nextbar.frames.training import StepDone, Training, begin_training
from nextbar.measures.copying import TrainingBars
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.measures.fingerprints import Fingerprints
from nextbar.music.bars import FULL_VELOCITY, cut_at_bar_lines, draw_rolls
from nextbar.music.corpus import Corpus, read_json_lines
from nextbar.music.fitting import Fit, Passage, fit_corpus
from nextbar.music.metre import codes_of, show_metre
from nextbar.music.options import CorpusOptions
from nextbar.music.prepare import prepare
from nextbar.training.held_back import nats_a_frame
from nextbar.training.run import (
    Run,
    origin_of,
    sequences_of,
    train_to_the_end,
    training_pairs,
)
from nextbar.training.watch import Watch
from nextbar.writing.composer import Composer, load

MOST_FILES: Final = 50
MOST_UPDATES: Final = 1500
"""Of encoder and generator: some two minutes of one core, if nothing says stop before."""
ASKED_EVERY: Final = 50
"""Updates between two looks at what was held back."""
PATIENCE: Final = 4
"""Looks that bring nothing better, before it stops."""
REHEARSED: Final = 2_000
"""Bars of the base's style that are trained on beside."""
SHARE: Final = 0.2
"""Of the bars that are trained on, those that are learned: few come several times an epoch."""
REHEARSED_PIECE: Final = 16
KEPT: Final = 0.03
"""By so much bars that the base has written, and that were not rehearsed, may cost more."""
SHARES: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""How much of what was learned is taken: as much as leaves that; at least a half."""
ASKED_PIECES: Final = 20
LEARNING_RATE: Final = 0.0005
AVERAGE: Final = 0.99
KNOWN: Final = 0.5
"""From this share of its phrases on a piece is one that the base was trained on."""
NEVER: Final = 10**9
"""Epochs between two pictures of samples."""
ASKED, BEST = "held-back.jsonl", "best"


def adapt(
    base: str | Path | None,
    folder: str | Path,
    out: str | Path,
    *,
    track: int | str = "all",
    share: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[StepDone], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Run:
    """The run in the folder ``out``: the base trained on with the music in ``folder``.

    base: a run, a model that was exported, or the name of one that comes with
    nextbar; None is the usual one of these. folder: 1 to 50 files of music; they are
    prepared with the base's grid, key and metres, and what does not fit is said.
    track: of the files, as of :class:`nextbar.CorpusOptions`. It stops by itself: a
    piece (of one file the last quarter of its bars) is held back, and the state is
    kept that this costs least; of what that has learned so much is taken, on the way
    from the base's weights to its own, that the base's style costs little more than
    before. share: how much, 0-1, where that is not to be found out. A run that exists
    goes on, and a finished one stays as it is. The same files, base and seed give the
    same run. The run needs neither base nor files to write. say: is told, in
    sentences, what was left out and what came of it.

    Raises CorpusError for too little music, RunError for a base that cannot be
    trained on or a run that was begun otherwise, OutputError where ``out`` is taken.
    """
    if share is not None and not 0 < share <= 1:
        raise UsageError(f"share: {share:g} is not above 0 and at most 1, all that was learned")
    tell = say or (lambda _: None)
    run = Path(out)
    composer = load(base, device=device)
    begun = _begun(run, composer, seed)
    if begun is not None and _is_finished(run):
        tell(f"{run} is finished; choose another folder to adapt once more")
        return Run(run, record.read_epoch(run), begun.config)
    corpus, fit = _make_corpus(composer, folder, run, track=track, seed=seed)
    if begun is not None and begun.origin["corpus"]["fingerprint"] != corpus.fingerprint:
        raise RunError(
            f"{run} was begun on other files than {folder} holds now; choose another folder for "
            "them, or give those that it was begun on"
        )
    _tell_fit(tell, composer, corpus, fit)
    if begun is None:
        begun = _describe(run, composer, corpus, seed, tell)
    return _train(run, composer, corpus, begun, share, device, progress, tell)


def _begun(run: Path, composer: Composer, seed: int) -> Description | None:
    """What the folder says of a run that was begun; None of a new one. RunError of another."""
    if not (run / record.DESCRIPTION).exists():
        inside = {path.name for path in run.iterdir()} if run.is_dir() else set()
        if run.exists() and (not run.is_dir() or inside - {"corpus", FINGERPRINTS}):
            raise OutputError(f"{run} exists and is not a run; choose another folder")
        return None
    begun = record.read_description(run)
    base = begun.origin.get("base", {})
    if base.get("checkpoint") != composer.checkpoint:
        what = f"from {base['name']}, in another state" if base else "by nextbar train"
        raise RunError(f"{run} was begun {what}; choose another folder for a new run")
    if begun.config.seed != seed:
        raise RunError(
            f"{run} was begun with seed {begun.config.seed}, not {seed}; leave it out to continue, "
            "or choose another folder for a new run"
        )
    return begun


def _make_corpus(
    composer: Composer, folder: str | Path, run: Path, *, track: int | str, seed: int
) -> tuple[Corpus, Fit]:
    """The files as bars of the base's kind, in the run's folder, and what became of them."""
    kind = composer.kind
    options = CorpusOptions(
        grid="seconds" if kind.grid == "seconds" else "metre",
        track=track,
        onsets=kind.onsets,
        common_key=kind.common_key,
        steps_per_quarter=4 if kind.grid == "seconds" else kind.steps_per_quarter,
        duplicates="refuse",
    )
    with folder_written_whole(run / "corpus", replace=True) as beside:
        read = prepare(folder, beside / "read", page=False, **asdict(options))
        n_files = int(read.manifest["files_taken"]) + int(read.manifest["files_refused"])
        if n_files > MOST_FILES:
            raise UsageError(
                f"{folder} holds {n_files} files; up to {MOST_FILES} are adapted to, of more train "
                "a model: nextbar prepare, then nextbar train"
            )
        fit = fit_corpus(read, kind, beside, _rehearsal(composer, seed), SHARE)
        shutil.rmtree(beside / "read")
    return Corpus.open(run / "corpus"), fit


def _rehearsal(composer: Composer, seed: int) -> list[Passage]:
    """Passages in the base's style, which it writes itself."""
    return _written(composer, ceil(REHEARSED / REHEARSED_PIECE), seed)


def _written(composer: Composer, n_pieces: int, seed: int) -> list[Passage]:
    kind = composer.kind
    counts = composer.origin["corpus"].get("bars_in", {})
    shares = np.array([counts.get(show_metre(metre), 0) for metre in kind.metres], float)
    shares = shares / shares.sum() if shares.sum() else np.full(len(shares), 1 / len(shares))
    rng = np.random.default_rng([seed, 6])
    numbers = np.sort(rng.choice(len(shares), n_pieces, p=shares))
    seeds = rng.integers(2**31, size=n_pieces).tolist()
    found = []
    for number in np.unique(numbers).tolist():
        chosen = np.flatnonzero(numbers == number).tolist()
        pieces = composer.compose(
            [None] * len(chosen),
            bars=REHEARSED_PIECE,
            seeds=[seeds[nth] for nth in chosen],
            metre=kind.metres[number],
        )
        for piece in pieces:
            notes, index = cut_at_bar_lines(piece.notes, kind.starts_of(piece.metres))
            line = {"name": f"rehearsal: seed {piece.seed}", "bars": piece.n_bars}
            metres = np.full(piece.n_bars, number, np.uint8)
            found.append(Passage(notes, index, metres, line))
    return found


def _tell_fit(tell: Callable[[str], None], composer: Composer, corpus: Corpus, fit: Fit) -> None:
    manifest = corpus.manifest
    for refusal in corpus.refused():
        tell(f"refused  {refusal['message']}")
    left_out = "".join(f"; left out: {n} {why}" for why, n in fit.left_out.items())
    tell(
        f"{manifest['files_taken']} files: {fit.n_bars} bars, of which {fit.n_held_back} are held "
        f"back to tell when to stop{left_out}"
    )
    for name in _known(composer, corpus):
        tell(f"{name}: the base was trained on it, or on a tune very like it")


def _known(composer: Composer, corpus: Corpus) -> Iterator[str]:
    """The pieces most of whose phrases are phrases of the base's training tunes."""
    try:
        fingerprints = composer.fingerprints
    except RunError:
        return
    for piece in range(_n_originals(corpus)):
        bars = corpus.bars_of(piece)
        index = corpus.bar_index[bars.start : bars.stop + 1]
        notes = (corpus.bar_notes[index[0] : index[-1]], index - index[0])
        codes = None
        if corpus.kind.grid != "seconds":
            codes = codes_of(corpus.metres_of(bars)).astype(np.int64)
        alone = TrainingBars(notes, np.array([len(bars)], np.int64), codes)
        if fingerprints.share_of_phrases(alone) >= KNOWN:
            yield corpus.piece_name(piece)


def _n_originals(corpus: Corpus) -> int:
    return int(corpus.manifest.get("originals", corpus.n_pieces))


def _describe(
    run: Path, composer: Composer, corpus: Corpus, seed: int, tell: Callable[[str], None]
) -> Description:
    """What the new run says of itself, and beside it what it must not copy."""
    try:
        fingerprints = composer.fingerprints.joined(Fingerprints.of_corpus(corpus))
        write_bytes_atomically(run / FINGERPRINTS, fingerprints.to_bytes())
    except RunError as error:
        tell(f"no fingerprints of the base, so this run cannot be asked for no copies: {error}")
    n_pairs = len(training_pairs(corpus, composer.model.config))
    batch = min(composer.model.config.batch, n_pairs)
    config = override(
        composer.model.config,
        learning_rate=LEARNING_RATE,
        average=AVERAGE,
        warm_up=0,
        settle=0.0,
        phrase_updates=0,  # the base's would choose what is like the base
        batch=batch,
        epochs=max(1, MOST_UPDATES // ceil(n_pairs / batch)),
        seed=seed,
    )
    described = record.read_description(composer.path)
    known = composer.origin["corpus"]
    origin = {
        **origin_of(corpus, replace(composer.sampling, choose=0), composer.origin["precision"]),
        "base": {
            "name": composer.path.resolve().name,
            "checkpoint": composer.checkpoint,
            "corpus": {name: known[name] for name in ("fingerprint", "pieces", "bars")},
            **({"base": composer.origin["base"]} if "base" in composer.origin else {}),
        },
        "files": [
            {name: line[name] for name in ("file", "sha256")}
            for line in read_json_lines(corpus.path / "files.jsonl")
        ],
    }
    begun = Description(config, described.shape, origin, described.widths)
    record.describe_run(run, begun)
    return begun


def _train(
    run: Path,
    composer: Composer,
    corpus: Corpus,
    begun: Description,
    share: float | None,
    device: str,
    progress: Callable[[StepDone], None] | None,
    tell: Callable[[str], None],
) -> Run:
    config = begun.config
    replicas = launch(device=device, devices=None, precision=begun.origin["precision"])
    if record.has_checkpoint(run):
        training = checkpoint.load_training(run, config, replicas.device)
    else:
        model = build_model(begun.shape, config, begun.widths)
        learned = checkpoint.load_to_adapt(composer.path, replicas.device)
        weights = learned.state_dict()
        model.load_state_dict({name: weights[name] for name in model.state_dict()})
        training = begin_training(model.to(replicas.device))
    pairs = training_pairs(corpus, config)
    stopping = _Stopping(run, corpus, training, max(1, round(ASKED_EVERY / pairs.n_batches)))
    watch = Watch(run, corpus, training, composer.sampling, sample_epochs=NEVER, progress=progress)
    try:
        train_to_the_end(run, training, pairs, replicas, watch, stopping.every, stopping.is_enough)
    finally:
        watch.close()
    tell(stopping.finish(composer, share))
    return Run(run, record.read_epoch(run), config)


class _Stopping:
    """What held-back bars cost so far, and the state that they cost least."""

    def __init__(self, run: Path, corpus: Corpus, training: Training, every: int) -> None:
        """every: epochs between two looks."""
        self.every, self._run, self._training = every, run, training
        self._held_back = held_back_pairs(corpus, training.model.config)
        self._asked = [line for line in _read_asked(run) if line["epoch"] <= training.epoch]
        if not self._asked:
            self._ask()

    def is_enough(self) -> bool:
        """Whether nothing better has come for some time; asks where it is due."""
        if self._training.epoch % self.every == 0:
            self._ask()
        costs = [line["nats"] for line in self._asked]
        return len(costs) - 1 - costs.index(min(costs)) >= PATIENCE

    def finish(self, composer: Composer, share: float | None) -> str:
        """Makes the best state the run's, so much of it as is wanted; says what came of it."""
        best = min(self._asked, key=lambda line: float(line["nats"]))
        device = next(self._training.model.parameters()).device
        training = load_best(self._run, self._training.model.config, device)
        # A copy: what is laid between the two is laid into the writer's own tensors.
        learned = {name: weight.clone() for name, weight in training.writer.state_dict().items()}
        base = composer.model.state_dict()
        cost = nats_a_frame(training.writer, self._held_back)
        why = "as was asked"
        if share is None:
            others = _base_s_own(composer, self._training.model.config)
            before = nats_a_frame(composer.model, others)
            for share in SHARES:
                lay_between(training.writer, base, learned, share)
                more = nats_a_frame(training.writer, others) / before - 1
                if more <= KEPT:
                    why = "so that the base's style is kept"
                    break
            else:
                why = f"the least, at which bars like the base's own cost {100 * more:.0f} % more"
        assert share is not None
        lay_between(training.writer, base, learned, share)
        taken = nats_a_frame(training.writer, self._held_back)
        checkpoint.save_training(self._run, training)
        self._write([*self._asked, {"finished": True, "share": share, "nats_of_it": taken}])
        shutil.rmtree(self._run / BEST)
        return (
            f"a bar that was held back costs {taken:.1f} nats, of the base "
            f"{self._asked[0]['nats']:.1f}; best after {best['epoch']} of "
            f"{self._training.epoch} epochs ({cost:.1f}), of which {100 * share:.0f} % was "
            f"taken, {why}"
        )

    def _ask(self) -> None:
        nats = round(nats_a_frame(self._training.writer, self._held_back), 4)
        if all(nats < line["nats"] for line in self._asked):
            (self._run / BEST).mkdir(exist_ok=True)
            checkpoint.save_training(self._run / BEST, self._training)
        self._asked.append({"epoch": self._training.epoch, "nats": nats})
        self._write(self._asked)

    def _write(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_bytes_atomically(self._run / ASKED, text.encode())


def load_best(run: Path, config: Config, device: torch.device) -> Training:
    """The training as it was when held-back bars cost least."""
    (run / BEST / record.DESCRIPTION).write_bytes((run / record.DESCRIPTION).read_bytes())
    return checkpoint.load_training(run / BEST, config, device)


def lay_between(
    model: Model, first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float
) -> None:
    """Gives a model the weights at ``share`` of the way from the first to the second.

    Wortsman et al. (2022), "Robust fine-tuning of zero-shot models".
    """
    between = {
        name: torch.lerp(first[name], weight, share) if weight.is_floating_point() else weight
        for name, weight in second.items()
    }
    model.load_state_dict(between)


def _base_s_own(composer: Composer, config: Config) -> PairBatches:
    """The pairs of bars that the base writes, others than those that were rehearsed."""
    kind = composer.kind
    passages = _written(composer, ASKED_PIECES, config.seed + 1)
    notes = np.concatenate([passage.notes for passage in passages])
    counts = np.concatenate([np.diff(passage.index) for passage in passages])
    index = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rolls = draw_rolls(
        notes, index, np.arange(len(counts)), n_steps=kind.n_steps, onsets=kind.onsets
    )
    several = kind.widths if len(kind.metres) > 1 else ()
    pieces = REHEARSED_PIECE * np.arange(len(passages) + 1)
    kinds = np.concatenate([passage.metres for passage in passages]) if several else None
    sequences = Sequences(rolls, pieces, FULL_VELOCITY, kinds, several)
    chosen = np.arange(len(passages))
    return PairBatches(sequences, chosen, 2, 0, config.history, 0.0, config.ahead)


def held_back_pairs(corpus: Corpus, config: Config) -> PairBatches:
    """The pairs of the held-out pieces of a corpus, whole histories."""
    pairs = PairBatches(
        sequences_of(corpus), corpus.pieces("held_out"), 1, 0, config.history, 0.0, config.ahead
    )
    return replace(pairs, batch=len(pairs))


def _read_asked(run: Path) -> list[dict[str, Any]]:
    path = run / ASKED
    lines = read_json_lines(path) if path.is_file() else []
    return [line for line in lines if "nats" in line]


def _is_finished(run: Path) -> bool:
    path = run / ASKED
    return path.is_file() and any("finished" in line for line in read_json_lines(path))
