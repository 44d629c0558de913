"""Fingerprints of training bars: what is a copy, what is near, what is nobody's."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from nextbar.errors import RunError
from nextbar.measures.copying import TrainingBars
from nextbar.measures.fingerprints import FILE, Fingerprints, digest_of
from nextbar.measures.pieces import Piece, bars_of_pieces, metres_of_bars

from .small_pieces import make_notes, piece_of_bars


def learned(*pieces):
    return Fingerprints.of_bars(TrainingBars.of_pieces(pieces, n_steps=16))


def judged(fingerprints, *pieces, strictness=1):
    """The verdicts on the bars of pieces, and on their phrases."""
    notes, index = bars_of_pieces(pieces, n_steps=16)
    n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
    metres = metres_of_bars(pieces)
    return fingerprints.verdicts(notes, index, metres, n_bars, strictness=strictness)


def in_metre(piece, metre):
    return piece._replace(
        metres=(metre,) * piece.n_bars, starts=16 * np.arange(piece.n_bars + 1, dtype=np.int64)
    )


TUNE = piece_of_bars([60, 62, 64, 65, 67], [67, 65, 64, 62, 60])


def test_a_bar_in_another_key_is_a_copy_and_one_with_another_note_is_new():
    moved = piece_of_bars([61, 63, 65, 66, 68], [60, 62, 64, 65, 69])
    assert judged(learned(TUNE), moved).bars == ["copy", "new"]


@pytest.mark.parametrize("change", [(0, 1, 48, 90), (5, 1, 71, 90)])
def test_one_note_more_is_a_new_bar_and_a_near_one(change):
    rows = [(nth, 1, pitch, 90) for nth, pitch in enumerate([60, 62, 64, 65, 67])]
    more = Piece(make_notes([*rows, change]), 1)
    assert judged(learned(TUNE), more).bars == ["new"]
    assert judged(learned(TUNE), more, strictness=2).bars == ["near"]


@pytest.mark.parametrize(
    ("pitches", "expected"),
    [
        ([62, 64, 66, 67, 70], "near"),  # the tune's, two higher, but for the last
        ([57, 62, 64, 65, 67], "near"),  # but for the lowest: the others are as they were
        ([60, 62, 64, 65], "near"),  # one is missing
        ([60, 62, 64, 66, 69], "new"),  # two are other ones
        ([60, 62, 64], "new"),  # two are missing
    ],
)
def test_near_is_all_notes_but_one_in_some_key(pitches, expected):
    assert judged(learned(TUNE), piece_of_bars(pitches), strictness=2).bars == [expected]


def test_few_notes_in_common_are_near_to_nothing():
    few = learned(piece_of_bars([60, 62, 64]))
    # two of three in common: at least three must be
    assert judged(few, piece_of_bars([60, 62, 67]), strictness=2).bars == ["new"]
    assert judged(few, piece_of_bars([60, 62, 64]), strictness=2).bars == ["copy"]


def test_silence_and_a_single_note_are_plain():
    tune = piece_of_bars([60], [], [60, 62])
    assert judged(learned(tune), tune).bars == ["plain", "plain", "copy"]
    # note, silence: two plain bars are no phrase; silence, then two notes: they are
    assert judged(learned(tune), tune).phrases == [False, False, True]


def test_a_phrase_is_two_bars_of_one_tune_one_transposition_for_both():
    copied = piece_of_bars([62, 64, 66, 67, 69], [69, 67, 66, 64, 62])
    assert judged(learned(TUNE), copied).phrases == [False, True]
    # each bar by itself is a copy, but the second has moved by another interval
    apart = piece_of_bars([62, 64, 66, 67, 69], [70, 68, 67, 65, 63])
    assert judged(learned(TUNE), apart) == (["copy", "copy"], [False, False])
    first, second = piece_of_bars([60, 62, 64, 65, 67]), piece_of_bars([67, 65, 64, 62, 60])
    assert judged(learned(first, second), TUNE).phrases == [False, False], "not of one tune"
    assert judged(learned(TUNE), first, second).phrases == [False, False], "nor of one piece"


def test_what_stands_in_ten_tunes_is_nobody_s_however_often_in_one():
    nine = [piece_of_bars([60 + nth, 62 + nth], [60, 61 + nth, 70]) for nth in range(9)]
    often = piece_of_bars(*[[60, 62]] * 20)
    assert judged(learned(*nine), often).bars[0] == "copy"
    ten = [*nine, piece_of_bars([50, 52], [50, 71, 72])]
    assert judged(learned(*ten), often).bars[0] == "common"
    assert judged(learned(often), often).bars[0] == "copy", "20 times in one tune are one tune"
    # a phrase that stands in ten tunes is nobody's, either
    for n_tunes, expected in ((9, True), (10, False)):
        both = [piece_of_bars([60, 62], [60, 64], [50, 51 + nth]) for nth in range(n_tunes)]
        asked = judged(learned(*both), piece_of_bars([60, 62], [60, 64]))
        assert asked.phrases == [False, expected]
    # a phrase of two common bars is still somebody's: it stands in one tune
    followed = [*ten, piece_of_bars([40, 42], [60, 62])]
    assert judged(learned(*followed), piece_of_bars([40, 42], [60, 62])).phrases == [False, True]


def test_the_share_of_phrases_that_are_known_is_of_those_with_three_notes_or_more():
    longer = piece_of_bars([60, 62, 64, 65, 67], [67, 65, 64, 62, 60], [], [60])
    bars = TrainingBars.of_pieces([longer], n_steps=16)
    # the tune's phrase is known, its second bar and silence are not; silence and one note count not
    assert learned(TUNE).share_of_phrases(bars) == 0.5
    assert learned(longer).share_of_phrases(bars) == 1


def test_what_is_near_to_nobody_s_bar_is_new():
    more, other = piece_of_bars([60, 62, 64, 65, 67]), piece_of_bars([60, 62, 64, 67])
    for n_tunes, expected in ((9, "near"), (10, "new")):
        tunes = [piece_of_bars([60, 62, 64, 65], [50, 51 + nth]) for nth in range(n_tunes)]
        for bar in (more, other):
            assert judged(learned(*tunes), bar, strictness=2).bars == [expected]


def test_of_many_tunes_one_percent_must_have_it():
    filler = [piece_of_bars([60, 61 + nth // 40, 62 + nth % 40]) for nth in range(1090)]
    ten = [piece_of_bars([50, 52]) for _ in range(10)]
    # 1,100 tunes: 1 % are 11
    assert judged(learned(*filler, *ten), piece_of_bars([50, 52])).bars == ["copy"]
    # 1,050 tunes: 1 % are 10.5, which ten are not
    assert judged(learned(*filler[:1040], *ten), piece_of_bars([50, 52])).bars == ["copy"]
    eleven = [*ten, piece_of_bars([50, 52])]
    assert judged(learned(*filler[1:], *eleven), piece_of_bars([50, 52])).bars == ["common"]


def test_a_bar_is_none_of_another_metre_unless_metres_are_not_known():
    tune, bar = in_metre(TUNE, (4, 4)), piece_of_bars([60, 62, 64, 65, 67])
    assert judged(learned(tune), in_metre(bar, (4, 4))).bars == ["copy"]
    assert judged(learned(tune), in_metre(bar, (6, 8))).bars == ["new"]
    without = replace(TrainingBars.of_pieces([TUNE], n_steps=16), metres=None)
    blind = Fingerprints.of_bars(without)
    assert judged(blind, in_metre(bar, (6, 8))).bars == ["copy"]


def test_they_are_the_same_from_their_file(tmp_path):
    ours = learned(TUNE, piece_of_bars([40, 41, 42, 43]))
    (tmp_path / FILE).write_bytes(ours.to_bytes())
    theirs = Fingerprints.open(tmp_path)
    for name in ("bars", "common", "near", "phrases"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert (theirs.n_tunes, theirs.n_bars, theirs.knows_metres) == (2, 3, True)
    assert judged(theirs, TUNE).bars == ["copy", "copy"]
    # 3 bars, 1 phrase; of 5, 5 and 4 notes each once left out, no two of these alike
    assert [len(getattr(ours, name)) for name in ("bars", "phrases")] == [3, 1]
    assert len(ours.near) == 5 + 5 + 4
    assert digest_of(b"x") < 2**36
    (tmp_path / FILE).write_bytes(ours.to_bytes()[:-3])
    with pytest.raises(RunError, match="is damaged"):
        Fingerprints.open(tmp_path)


def test_a_fingerprint_takes_three_bytes_on_disk():
    digests = np.unique(np.random.default_rng(0).integers(0, 2**36, 100_000, dtype=np.uint64))
    none = np.zeros(0, np.uint64)
    size = len(Fingerprints(1, 1, True, digests, none, none, none).to_bytes())
    # Distances of 2**36 / 100,000, in mean: their entropy is log2(2**36 / 10**5 * e) = 20.8 bits.
    assert 2.6 * len(digests) < size < 3.0 * len(digests)


def test_those_of_models_that_were_given_away_before_are_read(tmp_path):
    # As they were: rows of five bytes, 40 bits of BLAKE2b, least byte first.
    contents = [b"a bar.....", b"another bar"]
    rows = sorted(hashlib.blake2b(each, digest_size=5).digest()[::-1] for each in contents)
    stored = np.array([list(row[::-1]) for row in rows], np.uint8)
    none = np.zeros((0, 5), np.uint8)
    arrays = {"bars": stored, "common": none, "near": none, "phrases": none}
    (tmp_path / FILE).write_bytes(safetensors.numpy.save(arrays, {"nextbar": "1 2 3 1"}))
    theirs = Fingerprints.open(tmp_path)
    assert sorted(map(digest_of, contents)) == theirs.bars.tolist()
    assert (theirs.n_tunes, theirs.n_bars, theirs.knows_metres) == (2, 3, True)


def test_what_claims_to_be_more_than_it_can_be_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("nextbar.measures.fingerprints.MOST_BYTES", 1000)
    (tmp_path / FILE).write_bytes(
        Fingerprints(1, 1, True, *[np.arange(200, dtype=np.uint64)] * 4).to_bytes()
    )
    with pytest.raises(RunError, match="is damaged"):
        Fingerprints.open(tmp_path)


def test_joined_they_know_both():
    both = learned(TUNE).joined(learned(piece_of_bars([40, 41, 42])))
    assert judged(both, piece_of_bars([40, 41, 42], [60, 62, 64, 65, 67])).bars == ["copy"] * 2
    assert both.n_tunes == 2
