"""Bars are traded over a port, in time, by the own clock or by another's."""

import json
import sys
import time
from concurrent.futures import Future
from contextlib import contextmanager

import mido
import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import UsageError
from nextbar.jam import ports
from nextbar.jam.clock import CLOCK, START, STOP, MidiClock, OwnClock
from nextbar.jam.trades import Trades
from nextbar.writing.sketch import Own, Sketch, Written
from nextbar.writing.workbench import Workbench

from ..fixtures import let_it_sound

TEMPO = 120  # a step, a sixteenth, lasts an eighth of a second, and a bar of 16 two
STEP, BAR = 0.125, 2.0
TUNE = [(0, 4, 60, 70), (4, 2, 64, 90), (6, 2, 67, 90), (8, 8, 72, 100)]
PLAYED = tuple((at, steps, pitch, loud, False) for at, steps, pitch, loud in TUNE)


class FakePort:
    """What will come at which second, and what was sent at which."""

    def __init__(self):
        self.coming, self.sent, self.now = [], [], 0.0

    def receive(self):
        while self.coming and self.coming[0][0] <= self.now:
            yield self.coming.pop(0)

    def send(self, message):
        self.sent.append((round(self.now, 3), message))

    def play(self, notes, second):
        for at, steps, pitch, loud in notes:
            begins = second + at * STEP
            self.coming.append((begins, (0x90, pitch, loud)))
            self.coming.append((begins + (steps - 0.2) * STEP, (0x80, pitch, 0)))
        self.coming.sort()

    def struck(self):
        return [(when, *message[1:]) for when, message in self.sent if message[0] == 0x90]


class AtOnce:
    """Runs what is asked for when it is asked for."""

    def submit(self, work):
        done = Future()
        done.set_result(work())
        return done


@pytest.fixture(scope="module")
def bench(trained):
    return Workbench(let_it_sound(nextbar.load(trained / "run")))


def begin(bench, port, *, clock=None, executor=None, bars=1, **more):
    clock = clock or OwnClock(TEMPO)
    trades = Trades(
        bench,
        port,
        clock,
        executor or AtOnce(),
        bars=bars,
        metre=(4, 4),
        seed=3,
        sampling=bench.composer.sampling,
        **more,
    )
    clock.start(0.0)
    return trades


def go(trades, port, until):
    """Lets time pass, a millisecond at a time."""
    while port.now < until:
        trades.step(port.now)
        port.now += 0.001


def bars_of(sketch):
    return [sketch.made[name] for name in sketch.bars]


def test_what_was_played_is_answered_on_the_next_downbeat_and_kept(bench):
    port = FakePort()
    for trade in range(2):
        port.play(TUNE, 2 * BAR * trade)
    trades = begin(bench, port)
    go(trades, port, 4 * BAR + 0.1)
    trades.stop()
    first, answer, second, other = bars_of(trades.sketch)
    assert first == second == Own(PLAYED, None)
    assert isinstance(answer, Written)
    assert isinstance(other, Written)
    assert trades.sketch.locked == {0, 2}
    notes = bench.composition(trades.sketch).notes
    expected = {
        (round(STEP * int(note["start"]), 3), int(note["pitch"]), int(note["velocity"]))
        for note in notes
        if 16 <= note["start"] < 32 or note["start"] >= 48
    }
    assert len(expected) > 0
    assert {(round(when / STEP) * STEP, *rest) for when, *rest in port.struck()} == expected
    late = [when - round(when / STEP) * STEP for when, *_ in port.struck()]
    assert all(-1e-9 <= each < 0.0021 for each in late)  # a millisecond or two, as it looks


def test_every_key_that_was_struck_is_let_go(bench):
    port = FakePort()
    port.play(TUNE, 0)
    trades = begin(bench, port)
    go(trades, port, 1.5 * BAR)  # in the middle of the answer
    trades.stop()
    on = [message[1] for _, message in port.sent if message[0] == 0x90]
    off = [message[1] for _, message in port.sent if message[0] == 0x80]
    assert len(on) > 0
    assert sorted(on) == sorted(off)


def test_the_piece_comes_again_from_its_recipe(bench):
    port = FakePort()
    for trade in range(2):
        port.play(TUNE, 2 * BAR * trade)
    trades = begin(bench, port)
    go(trades, port, 4 * BAR)
    again = Sketch.from_json(trades.sketch.to_json())
    fresh = Workbench(bench.composer)
    made, expected = fresh.composition(again), bench.composition(trades.sketch)
    assert made.notes.tolist() == expected.notes.tolist()


class Slow(AtOnce):
    """Is done with the work when it is told, and then at the time of then."""

    def __init__(self):
        self.waiting = []

    def submit(self, work):
        done = Future()
        self.waiting.append((done, work))
        return done

    def finish(self):
        for done, work in self.waiting:
            done.set_result(work())
        self.waiting = []


def test_an_answer_that_heard_only_the_beginning_is_taken_where_no_later_one_is_there(bench):
    port, model = FakePort(), Slow()
    port.play(TUNE, 0)
    trades = begin(bench, port, executor=model)
    go(trades, port, BAR - 0.4)  # all keys are struck, the last one is held
    model.finish()
    go(trades, port, BAR - 0.1)
    port.coming.append((BAR - 0.09, (0x90, 79, 99)))  # the model has begun without it
    go(trades, port, BAR + 0.5)
    first, answer = bars_of(trades.sketch)
    assert answer.after == ("given",)
    assert [tuple(note) for note in trades.sketch.given.tolist()] == [n[:4] for n in PLAYED]
    assert (15, 1, 79, 99, False) in first.notes  # the piece has what was played
    assert len(port.struck()) > 0


def test_it_waits_until_somebody_plays(bench):
    port = FakePort()
    port.play(TUNE, 3 * BAR)
    trades = begin(bench, port)
    go(trades, port, 3 * BAR)
    assert trades.sketch is None
    assert port.struck() == []
    go(trades, port, 5 * BAR)
    assert bars_of(trades.sketch)[0] == Own(PLAYED, None)


def test_it_plays_to_another_s_clock_and_stops_with_it(bench):
    port = FakePort()
    second = 0.5  # when START comes
    port.coming.append((second, (START,)))
    tick = 60 / 100 / 24  # the other counts 100 quarters a minute, not 120
    for number in range(24 * 12 + 1):
        port.coming.append((second + 0.001 + tick * number, (CLOCK,)))
    port.coming.append((second + 24 * 12.1 * tick, (STOP,)))
    for quarter, pitch in enumerate((60, 64, 67, 72)):
        begins = second + 24 * tick * quarter
        port.coming += [(begins + 0.005, (0x90, pitch, 80)), (begins + 0.5, (0x80, pitch, 0))]
    port.coming.sort()
    trades = begin(bench, port, clock=MidiClock(TEMPO))
    go(trades, port, second + 24 * 13 * tick)
    assert [note[:3] for note in bars_of(trades.sketch)[0].notes] == [
        (0, 3, 60),
        (4, 3, 64),
        (8, 3, 67),
        (12, 3, 72),
    ]
    answered = [when for when, *_ in port.struck()]
    line = second + 0.001 + 24 * 4 * tick
    steps = [(when - line) / (24 * tick / 4) for when in answered]
    assert len(steps) > 0
    assert all(abs(each - round(each)) < 0.1 for each in steps)
    go(trades, port, second + 24 * 20 * tick)
    assert max(answered) < second + 24 * 12.2 * tick  # behind STOP nothing sounds


def test_it_sends_a_clock_that_another_can_follow(bench):
    port = FakePort()
    trades = begin(bench, port, sends_clock=True)
    go(trades, port, 2.01)
    trades.stop()
    sent = [message for _, message in port.sent]
    assert sent[0] == (START,)
    assert sent[-1] == (STOP,)
    assert sent.count((CLOCK,)) == 24 * 4 + 1  # four quarters in two seconds
    other = MidiClock(90)
    for when, message in port.sent:
        other.take(when, message[0])
        if message == (CLOCK,) and when > 1.9:
            break
    assert 60 / other.seconds_per_quarter == pytest.approx(TEMPO, rel=0.02)


def test_the_metronome_counts_in_on_the_channel_of_drums(bench):
    port = FakePort()
    trades = begin(bench, port, clock=OwnClock(TEMPO, lead=4), clicks=True)
    go(trades, port, 2 * BAR)
    clicks = [
        (when, message[1]) for when, message in port.sent if message[0] == 0x99 and message[2]
    ]
    assert [round(2 * when) for when, _ in clicks] == list(range(8))
    assert [pitch for _, pitch in clicks] == [76, 77, 77, 77] * 2


def test_a_port_is_found_by_a_part_of_its_name():
    names = ["Midi Through 14:0", "Keystation 49 20:0"]
    assert ports.find_port(names, "keystation") == 1
    with pytest.raises(UsageError, match="no MIDI port 'Synth'; there are: Midi Through"):
        ports.find_port(names, "Synth")


class Rtmidi:
    """As much of python-rtmidi as is used."""

    class RtMidiError(Exception):
        pass

    def __init__(self):
        self.opened = []
        rtmidi = self

        class Midi:
            def __init__(self, name):
                assert name == ports.NAME
                self.callback, self.sent, self.is_open = None, [], True
                rtmidi.opened.append(self)

            def get_ports(self):
                return ["Keystation 49"]

            def open_virtual_port(self, name):
                self.port = f"virtual {name}"

            def open_port(self, number, name):
                assert name == ports.NAME
                self.port = number

            def ignore_types(self, **types):
                assert types["timing"] is False

            def set_callback(self, callback):
                self.callback = callback

            def send_message(self, message):
                self.sent.append(message)

            def close_port(self):
                self.is_open = False

            def delete(self):
                pass

        self.MidiIn = self.MidiOut = Midi


def test_ports_are_virtual_or_named_and_are_closed_again(monkeypatch):
    rtmidi = Rtmidi()
    monkeypatch.setitem(sys.modules, "rtmidi", rtmidi)
    with ports.open_ports(None, "keystation") as port:
        midi_in, midi_out = rtmidi.opened
        assert (midi_in.port, midi_out.port) == ("virtual nextbar", 0)
        midi_in.callback(([0x90, 60, 80], 0.0), None)
        [(_, message)] = port.receive()
        assert message == (0x90, 60, 80)
        port.send((0x80, 60, 0))
        assert midi_out.sent == [[0x80, 60, 0]]
    assert not any(each.is_open for each in rtmidi.opened)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'nextbar\[midi\]'"),
        ports.open_ports(None, None),
    ):
        pass


class Ending(FakePort):
    """Somebody plays a note in the first bar, and presses Ctrl-C behind the answer."""

    def __init__(self):
        super().__init__()
        self.began = time.perf_counter()
        bar = 1.0  # at 240 quarters a minute; one is counted in, and loading takes its time
        self.notes = [(1.2 * bar, (0x90, 60, 80)), (1.7 * bar, (0x80, 60, 0))]
        self.clock = None

    def receive(self):
        now = time.perf_counter()
        if self.clock is None:
            self.clock = now
            self.coming = [(now + at, message) for at, message in self.notes]
        if now > self.clock + 3.5:
            raise KeyboardInterrupt
        self.now = now
        yield from super().receive()


def test_the_command_plays_until_it_is_ended_and_writes_the_piece(
    trained, tmp_path, monkeypatch, capsys
):
    @contextmanager
    def opened(port_in, port_out):
        assert (port_in, port_out) == (None, "synth")
        yield Ending()

    monkeypatch.setattr(ports, "open_ports", opened)
    out = tmp_path / "jam.mid"
    words = ["jam", trained / "run", "--bars", 1, "--tempo", 240, "--port-out", "synth"]
    code = main([*map(str, words), "--out", str(out)])
    said = capsys.readouterr().out
    assert code == 0
    assert "in 4/4; it begins after a bar of beats: you play 1, it answers 1" in said
    assert "1 trade\n" in said
    first = next(m for m in mido.MidiFile(out) if m.type == "note_on")
    assert (first.note, first.velocity) == (60, 80)
    recipe = json.loads(out.with_suffix(".json").read_text())
    assert len(Sketch.from_json(recipe).bars) == 2
    assert recipe["sound"]["tempo"] == 240


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--bars", "0"], "bars: 0 is not between 1 and 64"),
        (["--clock", "midi", "--send-clock"], "leave one of both out"),
        (["--out", "jam.wav"], "ends in .mid"),
    ],
)
def test_what_makes_no_sense_is_said_before_a_port_is_opened(words, says, capsys):
    assert main(["jam", *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
