"""MIDI bytes -> each channel's notes, exactly, where symusic's own pairing does not do.

symusic is many times quicker and reads most files. It loses notes that never
end, makes a drone of a note of no length that was written as off, then on, and
makes two tracks of one in which the program changes. :func:`ask_of_ends` makes it
tell by itself whether a file is such a one; :func:`read_parts` reads those.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

FAR_TICKS: Final = 2**28 - 1
"""The longest time that an event can be after another: no music is there."""
LATEST_TICK: Final = 2**31 - 1
HEADER_BYTES: Final = 14

_END_OF_TRACK: Final = b"\xff\x2f\x00"
_FAR: Final = b"\xff\xff\xff\x7f"
_EVERY_PITCH: Final = b"\x00\x00" + b"".join(bytes([0, pitch, 0]) for pitch in range(1, 128))
_ENDS: Final = [bytes([0x80 | channel]) + _EVERY_PITCH for channel in range(16)]
"""For each channel, the ends of all notes."""
_DRUMS: Final = 9
_OFF, _ON, _CONTROL, _PROGRAM, _PRESSURE = 8, 9, 11, 12, 13
_TIME: Final = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_RUNS: Final = {
    1: re.compile(rb"(?:" + _TIME + rb"[\xc0-\xdf]?[\x00-\x7f])++"),
    2: re.compile(rb"(?:" + _TIME + rb"[\x80-\xbf\xe0-\xef]?[\x00-\x7f]{2})++"),
}
"""As many events as there are in a row that have 1 or 2 bytes of data."""
_SUSTAIN: Final = 64
_NONE: Final = -1

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """What one channel of one track plays.

    name: its track's, as bytes. program: at its first note. notes: rows of
    (time, duration, pitch, velocity) by time. pedals: (time, value) of each
    change of the sustain pedal.
    n_grace: notes of no length that were written as off, then on; they are
    not among the notes. n_unended: notes that never end; they are held to the
    end of their track.
    """

    name: bytes
    channel: int
    program: int
    notes: Ints
    pedals: Ints
    n_grace: int
    n_unended: int

    @property
    def is_drum(self) -> bool:
        """Whether its channel is that of the drums."""
        return self.channel == _DRUMS


def normal_header(data: bytes) -> bytes:
    """The file with a header of six bytes; the standard allows longer ones."""
    length = int.from_bytes(data[4:8], "big")
    if length <= 6 or 8 + length > len(data):
        return data
    return data[:4] + b"\x00\x00\x00\x06" + data[8:HEADER_BYTES] + data[8 + length :]


def split_chunks(data: bytes) -> list[bytes]:
    """The contents of the tracks of a file whose header is normal; a last one may be cut short."""
    chunks, begin = [], HEADER_BYTES
    while begin + 8 <= len(data):
        end = begin + 8 + int.from_bytes(data[begin + 4 : begin + 8], "big")
        if data[begin : begin + 4] == b"MTrk":
            chunks.append(data[begin + 8 : end])
        begin = end
    return chunks


def ask_of_ends(data: bytes) -> bytes | None:
    """The file with an end of every note far behind each track's end.

    A note that has not ended there ends at :data:`FAR_TICKS` or later, and so the
    score does. None where a track has no end that can be found.
    """
    channels = [channel for channel in range(16) if 0x90 | channel in data]
    parts = [data[:HEADER_BYTES]]
    for chunk in split_chunks(data):
        if not chunk.endswith(_END_OF_TRACK):
            return None
        ends = b"\x00".join([_ENDS[channel] for channel in channels if 0x90 | channel in chunk])
        # The end's own time is taken by an empty text.
        tail = b"\xff\x01\x00" + _FAR + ends + b"\x00" if ends else b""
        length = len(chunk) + len(tail)
        parts += [b"MTrk", length.to_bytes(4, "big"), chunk[:-3], tail, _END_OF_TRACK]
    return b"".join(parts)


def read_parts(data: bytes) -> list[Part]:
    """The parts that have notes, by track and channel; OverflowError for times beyond all music.

    data: a file whose header is normal. A track that is damaged is read up to there.
    """
    return [part for chunk in split_chunks(data) for part in _split_channels(_read_events(chunk))]


class _Events(NamedTuple):
    """A track's events that matter here, in order: rows of (tick, status, first, second byte)."""

    name: bytes
    rows: Ints
    end: int


def _read_events(chunk: bytes) -> _Events:
    found: list[Ints] = []
    at = tick = status = 0
    name = b""
    try:
        while at < len(chunk):
            delta, begin = _read_length(chunk, at)
            byte = chunk[begin]
            if byte >= 0xF0:
                tick += delta
                kind = chunk[begin + 1] if byte == 0xFF else -1
                length, begin = _read_length(chunk, begin + 1 + (byte == 0xFF))
                at = begin + length
                if kind == 0x03:
                    name = chunk[begin:at]
                elif kind == 0x2F:
                    break
                continue
            status = byte if byte >= 0x80 else status
            if not status:
                break
            n_data = 1 if status >> 4 in (_PROGRAM, _PRESSURE) else 2
            run = _RUNS[n_data].match(chunk, at)
            if run:
                rows = _decode(np.frombuffer(run[0], np.uint8), n_data, status, tick)
                at = run.end()
            else:  # a byte is more than it may be
                begin += byte >= 0x80
                at = begin + n_data
                data = [min(chunk[i], 127) for i in (begin, at - 1)]
                rows = np.array([[tick + delta, status, *data]], np.int64)
            tick, status = int(rows[-1, 0]), int(rows[-1, 1])
            found.append(rows)
            if tick > LATEST_TICK:
                raise OverflowError("its times are beyond all music")
    except IndexError:
        pass  # it is cut short
    rows = np.concatenate([np.empty((0, 4), np.int64), *found])
    kinds = rows[:, 1] >> 4
    of_pedal = (kinds == _CONTROL) & (rows[:, 2] == _SUSTAIN)
    return _Events(name, rows[(kinds <= _ON) | (kinds == _PROGRAM) | of_pedal], tick)


def _decode(data: npt.NDArray[np.uint8], n_data: int, status: int, tick: int) -> Ints:
    """The events in bytes that hold nothing but channels' events of ``n_data`` bytes of data.

    Of each event, the last byte of its time and its data are below 128, and
    nothing else is: a status stands between them, or there is none.
    """
    low = np.flatnonzero(data < 128).reshape(-1, 1 + n_data)
    time, first, last = low[:, 0], low[:, 1], low[:, -1]
    events = np.arange(len(low))
    states = np.maximum.accumulate(np.where(first - time == 2, events, -1))
    statuses = np.where(states >= 0, data[first[np.maximum(states, 0)] - 1], status)
    before = np.concatenate([[-1], last[:-1]])
    delta = data[time].astype(np.int64)
    for place in (1, 2, 3):
        is_there = time - place > before
        delta += np.where(is_there, (data[time - place] & 127).astype(np.int64) << 7 * place, 0)
    return np.stack([tick + np.cumsum(delta), statuses, data[first], data[last]], axis=1)


def _read_length(chunk: bytes, at: int) -> tuple[int, int]:
    """A number of up to four bytes of seven bits each, and where it ends."""
    value = 0
    for _ in range(4):
        byte = chunk[at]
        at += 1
        value = value << 7 | byte & 127
        if byte < 128:
            break
    return value, at


def _split_channels(track: _Events) -> list[Part]:
    """The track's parts, by channel."""
    parts = []
    for channel in np.unique(track.rows[:, 1] & 15).tolist():
        rows = track.rows[track.rows[:, 1] & 15 == channel]
        kind = rows[:, 1] >> 4
        is_on = (kind == _ON) & (rows[:, 3] > 0)
        if not is_on.any():
            continue
        is_note = (kind == _ON) | (kind == _OFF)
        paired = _pair(rows[is_note], is_on[is_note], track.end)
        programs = np.flatnonzero(kind == _PROGRAM)
        before = programs[programs < np.flatnonzero(is_on)[0]]
        chosen = before[-1:] if len(before) else programs[:1]
        program = int(rows[chosen[0], 2]) if len(chosen) else 0
        pedals = rows[kind == _CONTROL][:, [0, 3]]
        parts.append(Part(track.name, channel, program, paired.notes, pedals, *paired[1:]))
    return parts


class _Paired(NamedTuple):
    notes: Ints
    n_grace: int
    n_unended: int


def _pair(rows: Ints, is_on: Flags, end: int) -> _Paired:
    """One channel's notes: every beginning with the end that is its own.

    Of a pitch that is begun twice and then ended twice, the first beginning
    has the first end. Where the beginnings of a pitch are more than its ends,
    an end belongs to the latest beginning before it, and what is left over
    lasts to the end of the track, unless all can be explained by notes of no
    length that were written as off, then on, at one tick: those are left out.
    """
    order = np.argsort(rows[:, 2], kind="stable")
    rows, is_on = rows[order], is_on[order]
    n_grace = 0
    matched = _match(rows[:, 2], is_on)
    open_pitches = sorted(set(rows[matched == _NONE, 2].tolist()))
    left_out = np.zeros(len(rows), bool)
    for pitch in open_pitches:
        begin, stop = np.searchsorted(rows[:, 2], [pitch, pitch + 1])
        grace = _grace_notes(rows[begin:stop, 0].tolist(), is_on[begin:stop].tolist())
        left_out[begin:stop][grace] = True
        n_grace += len(grace) // 2
    if open_pitches:
        rows, is_on, order = rows[~left_out], is_on[~left_out], order[~left_out]
        matched = _match(rows[:, 2], is_on)
        open_pitches = sorted(set(rows[matched == _NONE, 2].tolist()))
        matched = _match(rows[:, 2], is_on, latest=open_pitches)
    begun = np.flatnonzero(is_on)
    unended = matched[begun] == _NONE
    ends = np.where(unended, end, rows[np.maximum(matched[begun], 0), 0])
    start, pitch, velocity = rows[begun, 0], rows[begun, 2], rows[begun, 3]
    notes = np.stack([start, ends - start, pitch, velocity], axis=1)
    in_order = np.argsort(order[begun], kind="stable")
    # What begins as the track ends is no note.
    notes = notes[in_order][((ends > start) | ~unended)[in_order]]
    return _Paired(notes, n_grace, int(unended.sum()))


def _match(pitch: Ints, is_on: Flags, latest: Sequence[int] = ()) -> Ints:
    """The place of each beginning's end, -1 where it has none; of an end, its own place.

    pitch: of each event; those of one pitch stand together, in order. latest:
    pitches of which an end belongs to the latest open beginning, not the first.
    """
    n = len(pitch)
    first = np.flatnonzero(np.diff(pitch, prepend=-1))
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, n)))
    step = np.where(is_on, 1, -1)
    total = np.cumsum(step)
    level = total - (total - step)[first][group]
    # Of earlier groups all levels lie above those of later ones, so that none outlasts its own.
    floor = np.minimum.accumulate(level - group * (n + 1)) + group * (n + 1)
    floor = np.minimum(floor, 0)
    before: Ints = np.roll(floor, 1)
    before[first] = 0
    is_end = ~is_on & (level >= before)  # else there is nothing for it to end
    ends = np.where(is_on, _NONE, np.arange(n))
    # Each pairing is an order in which a beginning and its end follow each other.
    depth = level - floor + ~is_on
    rank = np.where(is_on, _rank(is_on, group), _rank(is_end, group))
    lifo = np.isin(pitch, latest)
    places = np.flatnonzero(is_on | is_end)
    slot = np.where(lifo, depth, rank)[places]
    turn = np.lexsort((places, slot, group[places]))
    places, slot = places[turn], slot[turn]
    a, b = places[:-1], places[1:]
    pairs = is_on[a] & is_end[b] & (group[a] == group[b]) & (slot[:-1] == slot[1:])
    ends[a[pairs]] = b[pairs]
    return ends


def _rank(flags: Flags, group: Ints) -> Ints:
    """How many of the flags are set before each place in its group."""
    before: Ints = np.cumsum(flags) - flags
    first = np.flatnonzero(np.diff(group, prepend=-1))
    ranks: Ints = before - before[first][group]
    return ranks


def _grace_notes(ticks: list[int], is_on: list[bool]) -> list[int]:
    """The places of those events of a pitch that are notes of no length, written off, then on.

    None, unless without them every end has its beginning and fewer notes stay open.
    """
    found: list[int] = []
    depth = 0
    places = iter(range(len(ticks)))
    for i in places:
        if is_on[i]:
            depth += 1
        elif depth:
            depth -= 1
        elif i + 1 < len(ticks) and is_on[i + 1] and ticks[i + 1] == ticks[i]:
            found += [i, i + 1]
            next(places)
        else:
            return []
    return found


def show_bytes(name: bytes) -> str:
    """A name in a file as text: UTF-8 or what its bytes look like, else Latin-1.

    Japanese (Shift-JIS) has many characters in a row whose first bytes are
    controls in Latin-1, or half-width kana, three or more in a row. Chinese (GBK)
    has pairs of accented letters, the first of each among those of common
    characters; Russian (Windows-1251, KOI8-R) has three or more in a row.
    """
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for encoding, is_likely in _ENCODINGS:
        try:
            text = name.decode(encoding)
        except UnicodeDecodeError:
            continue
        if is_likely(name, text):
            return text
    return name.decode("cp1252", "replace")


_KANA: Final = re.compile(rb"[\xa1-\xdf]{3}")
_CONTROL_BYTE: Final = re.compile(rb"[\x80-\x9f]")
_ACCENTED: Final = re.compile(rb"[\x80-\xff]+")
_COMMON_CHINESE: Final = re.compile(rb"(?:[\xb0-\xd7][\xa1-\xfe]){2,}")
_CHINESE_OF_MUSIC: Final = frozenset(
    "钢琴吉他贝斯司鼓主旋律伴奏弦乐提大小中二胡笛和低高音人声合唱左右手轨箫筝琵琶电吹管号键盘打击独歌曲"
)
_RUSSIAN_WORD: Final = re.compile("[\u0410-\u044f\u0401\u0451]{3,}")


def _is_chinese_music(_: bytes, text: str) -> bool:
    """Whether it speaks of music in Chinese; some of that might be half-width kana too."""
    chinese = [character for character in text if character > "\x7f"]
    known = sum(character in _CHINESE_OF_MUSIC for character in chinese)
    return len(chinese) > 1 and 2 * known >= len(chinese)


def _is_chinese(name: bytes, _: str) -> bool:
    """Whether all that is not ASCII are common characters, two or more in a row."""
    runs = _ACCENTED.findall(name)
    return all(_COMMON_CHINESE.fullmatch(run) for run in runs) and not _is_capitals(name)


def _is_capitals(name: bytes) -> bool:
    """Whether it might be Russian capitals throughout."""
    return all(0xC0 <= byte <= 0xDF for byte in name if byte > 0x7F)


def _is_russian(_: bytes, text: str) -> bool:
    words = _RUSSIAN_WORD.findall(text)
    return bool(words) and all(word[1:] == word[1:].lower() or word.isupper() for word in words)


def _is_japanese(name: bytes, text: str) -> bool:
    row = max((len(found) for found in re.findall(r"[^\x00-\x7f]+", text)), default=0)
    return bool((row >= 2 and _CONTROL_BYTE.search(name)) or _KANA.search(name))


_ENCODINGS: Final[tuple[tuple[str, Callable[[bytes, str], bool]], ...]] = (
    ("gbk", _is_chinese_music),
    ("shift_jis", _is_japanese),
    ("gbk", _is_chinese),
    ("cp1251", _is_russian),
    ("koi8_r", _is_russian),
)
"""Tried in turn, with what tells whether it is so."""


def to_arrays(notes: Ints) -> dict[str, npt.NDArray[Any]]:
    """The notes of a part in the kinds of numbers that symusic wants."""
    kinds = {"time": np.int32, "duration": np.int32, "pitch": np.int8, "velocity": np.int8}
    return {key: column.astype(kinds[key]) for key, column in zip(kinds, notes.T, strict=True)}
