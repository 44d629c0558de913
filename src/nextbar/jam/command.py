"""``nextbar jam``: the ports, the clock and the model, until Ctrl-C."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from nextbar.errors import UsageError
from nextbar.files import write_bytes_atomically

if TYPE_CHECKING:
    from nextbar.jam.trades import Trades
    from nextbar.writing.sketch import Sketch
    from nextbar.writing.workbench import Workbench

TICK: Final = 0.001
"""Seconds between two looks."""
MOST_BARS_A_TURN: Final = 64


def jam(
    run: Path | None = None,
    /,
    *,
    bars: int = 2,
    metre: str | None = None,
    tempo: float | None = None,
    clock: Literal["own", "midi"] = "own",
    send_clock: bool = False,
    click: bool = True,
    port_in: str | None = None,
    port_out: str | None = None,
    temperature: float | None = None,
    follow: float | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Trade bars with a model over MIDI: you play some, it answers on the next downbeat.

    It needs the extra `midi`. Ctrl-C ends it.

    Example: nextbar jam fiddle --bars 2 --tempo 120 --out jam.mid

    Parameters
    ----------
    run
        A folder made by `nextbar train`, a file MODEL.nextbar, or the name of a model that comes
        with nextbar.
    bars
        Of each turn.
    metre
        Of all bars, as 6/8; the model's most frequent, if not given.
    tempo
        Quarters a minute; that of the model's music, if not given. With --clock midi only until
        its first beats are heard.
    clock
        own counts in one bar and begins; midi follows the MIDI clock that comes in, from its
        START to its STOP.
    send_clock
        Send MIDI clock, START and STOP.
    click
        A metronome on channel 10.
    port_in
        A part of the name of the port to listen to; a virtual one called nextbar, if not given.
    port_out
        A part of the name of the port to play to; a virtual one called nextbar, if not given.
    temperature
        How far each bar strays from the likeliest; the run's, if not given.
    follow
        How closely each bar follows those before, 0-1; the run's, if not given.
    seed
        Decides all chance.
    out
        A MIDI file to write the piece to at the end, and its recipe (.json) beside it, which the
        studio opens.
    """
    if not 1 <= bars <= MOST_BARS_A_TURN:
        raise UsageError(f"bars: {bars} is not between 1 and {MOST_BARS_A_TURN}")
    if clock == "midi" and send_clock:
        raise UsageError("send-clock: the clock that comes in is another's; leave one of both out")
    if out is not None and out.suffix.lower() not in (".mid", ".midi"):
        raise UsageError(f"out: {out} is no name of a MIDI file; give one that ends in .mid")
    from nextbar.jam.clock import MidiClock, OwnClock
    from nextbar.jam.ports import open_ports
    from nextbar.jam.trades import Trades
    from nextbar.music.metre import parse_metre, show_metre
    from nextbar.writing.composer import load
    from nextbar.writing.piece import check_seed, check_tempo
    from nextbar.writing.workbench import Workbench

    check_seed(seed)
    check_tempo(tempo)
    with open_ports(port_in, port_out) as port, ThreadPoolExecutor(1) as executor:
        composer = load(run)
        kind = composer.kind
        chosen = kind.metre if metre is None else parse_metre(metre)
        kind.number_of(chosen)  # refuses what the model does not know
        now_tempo = tempo or kind.tempo
        quarters = 4 * chosen[0] / chosen[1]
        keeping = MidiClock(now_tempo) if clock == "midi" else OwnClock(now_tempo, lead=quarters)
        bench = Workbench(composer)
        trades = Trades(
            bench,
            port,
            keeping,
            executor,
            bars=bars,
            metre=chosen,
            seed=seed,
            sampling=composer.asked(temperature, follow),
            clicks=click,
            sends_clock=send_clock,
        )
        begins = "with the START of the clock" if clock == "midi" else "after a bar of beats"
        _say(f"in {show_metre(chosen)}; it begins {begins}: you play {bars}, it answers {bars}")
        keeping.start(time.perf_counter())
        try:
            _play(trades, _say)
        except KeyboardInterrupt:
            pass  # the usual way to end it
        finally:
            trades.stop()
        _say(f"{len(trades.log)} {'trade' if len(trades.log) == 1 else 'trades'}")
        if out is not None and trades.sketch is not None:
            sound = composer.sound._replace(tempo=60 / keeping.seconds_per_quarter)
            _write(bench, replace(trades.sketch, sound=sound), out)


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _play(trades: "Trades", say: Callable[[str], None]) -> None:
    """Until Ctrl-C, or until the piece is full."""
    was_theirs = None
    while not trades.is_full:
        trades.step(time.perf_counter())
        if trades.is_theirs != was_theirs:
            was_theirs = trades.is_theirs
            say("you play" if was_theirs else "it answers")
        time.sleep(TICK)
    say("the piece is full")


def _write(bench: "Workbench", sketch: "Sketch", out: Path) -> None:
    from nextbar.music.score import midi_bytes

    made = bench.composition(sketch)
    score = bench.composer.to_score(made, "nextbar jam")
    recipe = out.with_suffix(".json")
    write_bytes_atomically(out, midi_bytes(score, n_bars=made.n_bars))
    write_bytes_atomically(recipe, json.dumps(sketch.to_json(), indent=1).encode())
    _say(f"piece:  {out}, {made.n_bars} bars\nrecipe: {recipe}, which the studio opens")
