"""What the command line shows: progress, tables, and sentences."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nextbar.frames.diagnosis import diagnose

if TYPE_CHECKING:
    from nextbar.frames.training import Figures, StepDone
    from nextbar.measures.report import Report
    from nextbar.music.corpus import Corpus
    from nextbar.writing.verify import Certificate

LINE_SECONDS = 5.0
"""Where no terminal shows a moving bar, a line of progress is printed this often."""
MOST_LINES = 20
"""Refusals for one reason are printed one by one up to this many."""
MOST_COUNTS = 8

console = Console()


def say(console: Console, text: str, style: str = "") -> None:
    """Prints a line as it is: not coloured by guess, not broken where a screen ends."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


Update = Callable[[int, int, str], None]
"""Called with how much is done, of how much, and a few words on the state."""


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Update]:
    """A moving bar with the time left; in a log, a line every few seconds and one at the end.

    Where less is done than before something else is counted, and the time begins anew.
    """
    if not console.is_terminal:
        yield _progress_lines(console, title)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(title, total=None, state="")

        def update(done: int, total: int, state: str) -> None:
            if done < progress.tasks[task].completed:
                progress.reset(task)
            progress.update(task, completed=done, total=total, state=state)

        yield update


def _progress_lines(console: Console, title: str) -> Update:
    began = last = time.monotonic()
    begun_with = done_before = -1

    def update(done: int, total: int, state: str) -> None:
        nonlocal began, last, begun_with, done_before
        now = time.monotonic()
        if done < done_before:
            began, begun_with = now, -1
        done_before = done
        begun_with = done - 1 if begun_with < 0 else begun_with
        if now - last < LINE_SECONDS and done < total:
            return
        last = now
        left = (now - began) / (done - begun_with) * (total - done)
        say(console, f"{title}: {done}/{total}, {state}, {left:.0f} s left")

    return update


def training_progress(console: Console, update: Update) -> "Callable[[StepDone], None]":
    """A callback that shows each step of a training, and says once what has gone wrong."""
    began, n_pairs, said = time.monotonic(), 0, set[str]()

    def show(now: "StepDone") -> None:
        nonlocal n_pairs
        n_pairs += now.n_pairs
        speed = n_pairs / max(time.monotonic() - began, 1e-9)
        state = f"epoch {now.epoch}, {describe_figures(now.figures)}, {speed:.0f} bars/s"
        update(now.step, now.n_steps, state)
        if now.ends_epoch:
            for sentence in diagnose(now.figures):
                what = sentence.split(" ")[0]
                if what not in said:
                    say(console, f"warning: epoch {now.epoch}: {sentence}", style="yellow")
                said.add(what)

    return show


def phrase_progress(update: Update) -> "Callable[[int, int, float], None]":
    """A callback that shows how far the discriminator of phrases is."""
    return lambda n_done, n_updates, loss: update(
        n_done, n_updates, f"what tells written phrases from real ones, D {loss:.2f}"
    )


def pointer_progress(update: Update) -> "Callable[[int, int, float], None]":
    """A callback that shows how far what says which bar comes again is."""
    return lambda n_done, n_updates, loss: update(
        n_done, n_updates, f"which bars come again, {loss:.2f} nats"
    )


def describe_figures(figures: "Figures") -> str:
    """The losses in a line: KL and reconstruction in nats, D's verdicts once it takes part."""
    parts = [
        f"E {figures.encoder:.2f} G {figures.generator:.2f}",
        f"KL {figures.kl:.2f} nats",
        f"cells {figures.reconstruction:.1f} nats",
    ]
    if figures.d_real == figures.d_real:  # not-a-number while the discriminator rests
        parts.insert(1, f"D {figures.discriminator:.2f}")
        parts.append(f"D(real) {figures.d_real:.2f} D(fake) {figures.d_predicted:.2f}")
    return ", ".join(parts)


def show_refusals(console: Console, refused: list[dict[str, str]], where: str) -> None:
    """A line for every refusal; of very many for one reason, the first and where the rest are."""
    by_reason = defaultdict(list)
    for refusal in refused:
        by_reason[refusal["reason"]].append(refusal["message"])
    for reason, messages in sorted(by_reason.items(), key=lambda item: len(item[1])):
        if len(messages) <= MOST_LINES:
            for message in messages:
                say(console, f"refused  {message}", style="yellow")
            continue
        say(
            console,
            f"refused  {len(messages)} tunes: {reason}; the first: {messages[0]} (all: {where})",
            style="yellow",
        )


def show_corpus(console: Console, corpus: "Corpus") -> None:
    """What was taken and refused, what the music is like, and what that means."""
    manifest, summary = corpus.manifest, corpus.summary
    table = Table(show_header=False)
    seconds = manifest["options"]["grid"] == "seconds"
    rows = {
        "files taken": f"{manifest['files_taken']:,}",
        "files refused": f"{manifest['files_refused']:,}",
        "refused for": _show_counts(manifest["refused"]),
        "bars by metre": _show_counts(manifest.get("bars_in", {})),
        "pieces by metre": _show_counts(manifest.get("pieces_in", {})),
        "keys": _show_counts(manifest["keys"]),
        "tempo": f"{manifest['tempo']:g} quarters a minute (median)" if not seconds else "",
        "onsets moved by": f"{manifest['mean_shift_ms']:g} ms (mean)",
        "distinct bars": f"{summary.n_distinct:,} of {summary.n_bars_seen:,}",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    console.print(table)
    for sentence in summary.advice:
        say(console, f"advice: {sentence}", style="bold")


def _show_counts(counts: dict[str, int]) -> str:
    """``312 6/8, 28 4/4``; the rest of very many as how many they are."""
    from nextbar.music.summary import by_count

    shown = [f"{count:,} {name}" for name, count in by_count(counts).items()]
    more = f", {len(shown) - MOST_COUNTS} more" if len(shown) > MOST_COUNTS else ""
    return ", ".join(shown[:MOST_COUNTS]) + more


def report_table(report: "Report") -> Table:
    """The measures, a line each: generated, real and chance side by side."""
    from nextbar.measures.intervals import interval_text
    from nextbar.measures.meanings import COLUMNS

    columns = report.columns()
    table = Table(title=f"{report.n_generated} pieces of {report.bars_per_piece} bars")
    table.add_column("measure")
    for column in columns:
        table.add_column(COLUMNS[column], justify="right", no_wrap=True)
    for row in report.rows():
        cells = [interval_text(row.columns.get(column)) for column in columns]
        table.add_row(f"{row.name.replace('_', ' ')}, {row.unit}", *cells)
    return table


def show_certificate(console: Console, certificate: "Certificate") -> None:
    """A line for each file, and one for each bar of it that is copied; the sum at the end."""
    for each in certificate.files:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in each.counts.items())
        passed = "passed" if each.is_passed else "COPIES"
        say(
            console,
            f"refused  {each.refused}" if each.refused else f"{passed}  {each.file}: {counts}",
        )
        for nth in each.copied[:MOST_LINES]:
            bar = each.bars[nth - 1]
            of = "" if bar.nearest is None else f" (bar {bar.nearest.bar} of {bar.nearest.piece})"
            phrase = ", and a phrase with the bar before" if bar.is_phrase else ""
            say(console, f"         bar {nth}: {bar.verdict}{phrase}{of}", style="yellow")
        if len(each.copied) > MOST_LINES:
            say(console, f"         and {len(each.copied) - MOST_LINES} more bars", style="yellow")
    n_passed = sum(each.is_passed for each in certificate.files)
    say(
        console,
        f"{n_passed} of {len(certificate.files)} files passed, held against "
        f"{certificate.n_training_bars:,} bars of {certificate.n_tunes:,} tunes of "
        f"{certificate.training}",
    )


def text_table(title: str, rows: dict[str, dict[str, str]]) -> Table:
    """Row -> column -> text, as a table."""
    table = Table(title=title)
    table.add_column("measure")
    for column in next(iter(rows.values())):
        table.add_column(column, justify="right")
    for row, cells in rows.items():
        table.add_row(row, *cells.values())
    return table


def show_meanings(console: Console, report: "Report") -> None:
    """A line for each measure: what it is, and what would be good."""
    for row in report.rows():
        name = row.name.replace("_", " ")
        say(console, f"{name}: {row.label}. {row.says}", style="dim")


def show_facts(console: Console, facts: dict[str, Any]) -> None:
    """Names and values below each other, groups indented; a run's history as a table."""
    for name, value in facts.items():
        if name != "history":
            _show_fact(console, name, value, indent="")
    if facts.get("history"):
        console.print(_history_table(facts["history"]))


def _show_fact(console: Console, name: str, value: Any, indent: str) -> None:
    label = f"{indent}{name.replace('_', ' ')}"
    if isinstance(value, dict) and value:
        say(console, label)
        for inner, item in value.items():
            _show_fact(console, inner, item, indent + "  ")
        return
    shown = " ".join(map(str, value)) if isinstance(value, list) else value
    say(console, f"{label:<30}{'none' if value == {} else shown}")


def _history_table(history: list[dict[str, float | None]]) -> Table:
    """What about twenty epochs came to, evenly spread, the last among them."""
    names = ("epoch", "seconds", "kl", "reconstruction", "feature", "d_real", "d_predicted")
    table = Table(title="how it went (losses in nats; history.jsonl has every epoch)")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for line in history[:: -max(1, len(history) // 20)][::-1]:
        values = [line[name] for name in names]
        table.add_row(*("-" if value is None else f"{value:.4g}" for value in values))
    return table
