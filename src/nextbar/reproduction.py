"""The experiment of the paper, section 4, from its data to its figures, in one call.

OUT/
nottingham/             the data, where none was given
corpus/                 bars of 2 s, 88 x 16, melody track
run/                    the preset ``paper``, trained
epoch-0012/             what the run writes at that epoch
model-1/, model-2/    2,500 pieces of 5 bars each, from a real bar and from noise
first-ten/            the first ten of each as MIDI, and all of them in a picture
figure-2.png          two pieces by model 1, as in the paper
figure-3.png          five measures over the pieces, as in the paper
reproduction.json     every figure with its interval
reproduction.md       the table
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nextbar._version import __version__
from nextbar.errors import TrainingError, UsageError
from nextbar.files import write_bytes_atomically, write_json_atomically
from nextbar.frames import record
from nextbar.frames.replicas import Precision
from nextbar.frames.training import StepDone
from nextbar.judging import evaluate, read_folder
from nextbar.measures.figures import draw_figure_3, values_of_figure_3
from nextbar.measures.intervals import interval_text
from nextbar.measures.pieces import Piece, pieces_of_corpus, reference_windows
from nextbar.measures.report import Report
from nextbar.music.bars import equal_bars
from nextbar.music.corpus import Corpus
from nextbar.music.kind import BarKind
from nextbar.music.manifest import MANIFEST
from nextbar.music.picture import Panel, draw_contact_sheet, save_png
from nextbar.music.prepare import prepare
from nextbar.music.public_data import fetch
from nextbar.training.run import train
from nextbar.writing.folder import read_record
from nextbar.writing.generate import generate
from nextbar.writing.piece import FAINTEST

BARS: Final = 5
PEERS: Final = Path(__file__).parents[2] / "benchmarks" / "peers" / "trial.py"
"""Their page, which is there in a clone and not in the package."""
PAPER: Final[dict[str, str]] = {
    "scale_consistency as published": "87",
    "uniqueness": "37",
    "tone_span": "10 to 21",
    "recurrence as published": "7",
    "velocity_span": "oscillating",
    "diversity": "0.59 (another definition)",
}
"""What the paper says, section 4.1."""

AUTHORS: Final[dict[str, float]] = {
    "notes": 25.0,
    "scale_consistency as published": 86.6,
    "scale_consistency": 93.9,
    "uniqueness": 37.0,
    "velocity_span": 41.6,
    "recurrence as published": 6.24,
    "recurrence": 6.85,
    "tone_span": 13.8,
    "coherence": -0.014,
    "copied_bars": 11.0,
}
"""Measured on the 2,553 readable ones of the samples that the authors published."""

ROWS: Final = (
    "scale_consistency as published",
    "scale_consistency",
    "uniqueness",
    "velocity_span",
    "recurrence as published",
    "recurrence",
    "tone_span",
    "notes",
    "diversity",
    "coherence",
    "copied_bars",
    "empty_bars",
)


@dataclass(frozen=True)
class Reproduction:
    """What a reproduction came to.

    folder: of the figures and the table. table: row -> column -> text, columns
    as in the paper's order: paper, authors' samples, model 1, model 2, real.
    """

    folder: Path
    epoch: int
    table: dict[str, dict[str, str]]


def reproduce(
    out: str | Path,
    *,
    data: str | Path | None = None,
    pieces: int = 2500,
    seed: int = 0,
    device: str = "auto",
    devices: int | None = None,
    precision: Precision | None = None,
    train_progress: Callable[[StepDone], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    **fields: Any,
) -> Reproduction | None:
    """The experiment of the paper in the folder ``out``; what is done already is not done again.

    data: a folder with the 524 MIDI files; by default they are downloaded.
    pieces: by each of the testing models. fields: of the configuration, on
    top of the preset ``paper``; its 300 ``epochs`` take a day on a laptop, with
    fewer there is a first look, and a run that exists goes on up to the number
    given. say: told what comes next.
    None in the other processes of several that train together.

    Departure: every tenth piece is held out from training, so that the row of
    real music is music that was not trained on; the paper trains on all.

    Raises what fetch, prepare, train and generate raise.
    """
    out = Path(out)
    corpus = _prepared(out, data, say)
    # A run that exists keeps its configuration; only its length may be new.
    preset = None if (out / "run" / record.DESCRIPTION).exists() else "paper"
    if preset:
        fields["seed"] = seed
    say("training the preset paper")
    run = train(
        corpus,
        out / "run",
        preset=preset,
        device=device,
        devices=devices,
        precision=precision,
        progress=train_progress,
        **fields,
    )
    if not run.is_first:
        return None
    results = out / f"epoch-{run.epoch:04}"
    reports = {}
    for model, from_bar, bars in (("model-1", "training", BARS - 1), ("model-2", "noise", BARS)):
        say(f"writing {pieces} pieces of {BARS} bars by {model.replace('-', ' ')}")
        if not _is_written(results / model, pieces):
            generate(
                run.path,
                results / model,
                pieces=pieces,
                bars=bars,
                from_bar=from_bar,
                threshold=FAINTEST,  # as in the paper nothing is silenced
                seed=seed,
                wav=False,
                pictures=False,
                device=device,
            )
        say(f"measuring {model.replace('-', ' ')}")
        reports[model] = evaluate(results / model, reference=corpus, seed=seed)
    say("drawing Figures 2 and 3")
    _draw(results, Corpus.open(corpus), run.epoch)
    table = tabulate(reports)
    history = record.read_history(run.path)
    write_json_atomically(
        results / "reproduction.json",
        {
            "nextbar": __version__,
            "epoch": run.epoch,
            "config": run.config.to_dict(),
            "last_epoch": history[-1] if history else None,
            "paper": PAPER,
            "authors_samples": AUTHORS,
            **{model: report.to_json() for model, report in reports.items()},
        },
    )
    text = _describe(table, run.epoch, history)
    write_bytes_atomically(results / "reproduction.md", text.encode())
    return Reproduction(results, run.epoch, table)


def reproduce_peers(
    out: str | Path,
    *,
    data: str | Path | None = None,
    minutes: float = 10,
    pieces: int = 2500,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Trains the systems of docs/peers.md in ``out``, and prints their table; needs a clone.

    data, say: as for :func:`reproduce`. minutes: of one core, for each. What has its figures of
    the same corpus, minutes, pieces and seed in its folder is left as it is. Raises UsageError
    where nextbar was not installed from a clone, and TrainingError where one of them fails.
    """
    out = Path(out)
    if not PEERS.is_file():
        raise UsageError(
            f"reproduce peers: {PEERS} is not there; the peers are pages of nextbar's repository "
            "and no part of the package: clone it, and install from there with "
            "pip install --editable ."
        )
    corpus = _prepared(out, data, say)
    asked = {"--all": corpus, "--minutes": minutes, "--pieces": pieces, "--seed": seed}
    words = [str(word) for pair in asked.items() for word in pair]
    done = subprocess.run([sys.executable, str(PEERS), str(out), *words], check=False)
    if done.returncode:
        raise TrainingError(
            f"{PEERS} ended with {done.returncode}, and says above why; the same command goes on "
            "from what is done"
        )


def _prepared(out: Path, data: str | Path | None, say: Callable[[str], None]) -> Path:
    """The paper's corpus, in its folder in ``out``."""
    corpus = out / "corpus"
    if not (corpus / MANIFEST).is_file():
        folder = data or fetch("nottingham", out / "nottingham")
        say(f"preparing {folder}: bars of 2 seconds, melody track")
        prepare(folder, corpus, grid="seconds", track=1)
    return corpus


def _is_written(folder: Path, n_pieces: int) -> bool:
    record = read_record(folder)
    return record is not None and len(record.pieces) == n_pieces


def tabulate(reports: dict[str, Report]) -> dict[str, dict[str, str]]:
    """Row -> column -> text: paper, authors' samples, each of the reports, real, chance."""
    table = {}
    for row in ROWS:
        measure, _, form = row.partition(" as ")
        column = "as_published" if form else "generated"
        cells = {"paper": PAPER.get(row, "-"), "authors' samples": _plain(AUTHORS.get(row))}
        for model, report in reports.items():
            cells[model.replace("-", " ")] = interval_text(report.measures[measure].get(column))
        first = next(iter(reports.values())).measures[measure]
        for name in ("reference", "chance"):
            cells["real" if name == "reference" else name] = (
                "-" if form else interval_text(first.get(name))
            )
        table[row.replace("_", " ")] = cells
    return table


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _describe(
    table: dict[str, dict[str, str]],
    epoch: int,
    history: list[dict[str, float | None]],
) -> str:
    """The table in Markdown, with what the last epoch of training came to."""
    columns = list(next(iter(table.values())))
    lines = [
        f"After epoch {epoch} (the paper: 300), {BARS}-bar pieces; means with 95 % intervals.",
        "",
        "| measure | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
        *(f"| {row} | " + " | ".join(cells.values()) + " |" for row, cells in table.items()),
    ]
    if history:
        last = history[-1]
        known = {name: value for name, value in last.items() if value is not None}
        lines += [
            "",
            f"In epoch {known['epoch']:.0f}: KL {known['kl']:.3f} nats, D(real) "
            f"{known['d_real']:.3f}, D(G(z_t)) {known['d_predicted']:.3f}, D(G(z_p)) "
            f"{known['d_sampled']:.3f}, feature matching {known['feature']:.3f}.",
        ]
    return "\n".join(lines) + "\n"


def _draw(results: Path, corpus: Corpus, epoch: int) -> None:
    kind = corpus.kind
    written: dict[str, list[Piece]] = {}
    for model in ("model-1", "model-2"):
        folder = results / model
        pieces = read_folder(folder, kind, read_record(folder))[0]
        # Names end in the seed: shorter ones first is the order in which they were written.
        written[model] = sorted(pieces, key=lambda piece: (len(piece.name), piece.name))
    pairs = [_panel(piece, kind) for piece in written["model-1"][:2]]
    save_png(draw_contact_sheet(pairs, n_columns=1), results / "figure-2.png")
    real = reference_windows(
        pieces_of_corpus(corpus, "held_out"), n_bars=BARS, n_steps=kind.n_steps
    )
    rows = {
        f"model 1 after {epoch} epochs": values_of_figure_3(written["model-1"]),
        f"model 2 after {epoch} epochs": values_of_figure_3(written["model-2"]),
        "real windows of held-out pieces": values_of_figure_3(real),
    }
    save_png(draw_figure_3(rows), results / "figure-3.png")
    firsts = [(model, piece) for model in written for piece in written[model][:10]]
    panels = [_panel(piece, kind, f"{model}: {piece.name}") for model, piece in firsts]
    save_png(draw_contact_sheet(panels, n_columns=4), results / "first-ten" / "all.png")
    for model, piece in firsts:
        target = results / "first-ten" / f"{model}-{piece.name}"
        shutil.copyfile(results / model / piece.name, target)


def _panel(piece: Piece, kind: BarKind, title: str = "") -> Panel:
    starts = equal_bars(piece.n_bars, kind.n_steps)
    return Panel(piece.notes, starts, piece.n_given_bars, title or Path(piece.name).stem)
