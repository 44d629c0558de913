"""Bars of several metres: every measure has its own bar lines, and like is beside like."""

import json
import math

import numpy as np
import pytest

from nextbar.errors import UsageError
from nextbar.measures import classifiers
from nextbar.measures.beside import real_values
from nextbar.measures.by_piece import measure_pieces
from nextbar.measures.chance import chance_pieces
from nextbar.measures.classifiers import real_told_from_real, told_from_real, windows_of
from nextbar.measures.coherence import coherence, coherence_by_bar
from nextbar.measures.copying import TrainingBars, copied_bars, phrase_contents
from nextbar.measures.distributions import count_features, places_in_bars
from nextbar.measures.habits import empty_bars, groove_consistency
from nextbar.measures.metres import (
    LEAST_BARS,
    counting_like,
    metre_overlap,
    metres_in,
    metres_in_windows,
    windows_like,
)
from nextbar.measures.nearness import KnownBars
from nextbar.measures.paper import abc_tokens, published_distances
from nextbar.measures.pieces import (
    Piece,
    bars_of_pieces,
    first_bars,
    metres_of_bars,
    reference_windows,
    widest_bar,
)
from nextbar.measures.report_files import to_html
from nextbar.measures.table import compare
from nextbar.music.bars import equal_bars
from nextbar.music.metre import codes_of
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import pieces_from_bytes

from ..shared_data import shared_data
from .small_pieces import WIDTHS, make_notes, midi_files, piece_in, piece_of_bars, random_piece

C, D, E, F, G = 60, 62, 64, 65, 67
COMMON, WALTZ, JIG, MARCH = (4, 4), (3, 4), (6, 8), (2, 4)
MANY = 16  # steps of a bar of pieces that do not say theirs; here all say it


def codes(metres):
    return codes_of(metres).astype(np.int64)


def in_waltz_time(bar):
    """The bar said to be in 3/4, whatever it was."""
    return piece_in((WALTZ, bar))


# ------------------------------------------------------------------------------------- bar lines


def test_bars_are_cut_at_their_own_lines():
    # 4/4 0-15, 6/8 16-27, 3/4 28-39; then another piece, 2/4. A note from 26 to 29 is in two bars.
    first = piece_in((COMMON, {0: C}), (JIG, {0: D}), (WALTZ, {11: E}))
    held = np.concatenate([first.notes, make_notes([(26, 4, F, 90), (39, 9, G, 90)])])
    first = first._replace(notes=held[np.argsort(held["start"], kind="stable")])
    rows, index = bars_of_pieces([first, piece_in((MARCH, {7: C}))], n_steps=MANY)
    assert index.tolist() == [0, 1, 3, 6, 7]
    assert rows[["start", "duration", "pitch", "tied"]].tolist() == [
        (0, 1, C, False),
        (0, 1, D, False),
        (10, 2, F, False),
        (0, 2, F, True),
        (11, 1, E, False),
        (11, 1, G, False),  # cut off at the piece's end
        (7, 1, C, False),
    ]


def test_windows_begin_at_bar_lines_and_keep_the_metres_of_their_bars():
    tune = piece_in(
        (COMMON, {0: C}), (JIG, {6: D}), (JIG, {0: E}), (WALTZ, {8: F}), (COMMON, {}), name="tune"
    )
    first, second = reference_windows([tune], n_bars=2, n_steps=MANY)
    assert first.notes[["start", "pitch"]].tolist() == [(0, C), (16 + 6, D)]
    assert second.notes[["start", "pitch"]].tolist() == [(0, E), (12 + 8, F)]
    assert (first.metres, second.metres) == ((COMMON, JIG), (JIG, WALTZ))
    assert first.starts.tolist() == [0, 16, 28]
    assert second.starts.tolist() == [0, 12, 24]
    assert second.name == "tune from bar 3"


def test_the_first_bars_of_a_piece_end_at_its_own_line_and_missing_ones_are_silent():
    tune = piece_in((JIG, {0: C}), (COMMON, {15: D}), (WALTZ, {0: E}))
    cut = first_bars(tune, 2, n_steps=MANY)
    assert cut.notes["pitch"].tolist() == [C, D]  # E begins at 28, before 2 * 16
    assert cut.metres == (JIG, COMMON)
    longer = first_bars(tune, 5, n_steps=MANY)
    assert longer.metres == (JIG, COMMON, WALTZ, WALTZ, WALTZ)
    assert longer.starts.tolist() == [0, 12, 28, 40, 52, 64]
    assert empty_bars(longer, n_steps=MANY) == 40
    even = first_bars(piece_of_bars([C], [D]), 1, n_steps=16)
    assert even.notes["pitch"].tolist() == [C]
    assert even.starts is None


def test_metres_are_numbers_by_which_they_are_told_apart():
    tune = piece_in((JIG, {}), (WALTZ, {}), (JIG, {}))
    assert metres_of_bars([tune]).tolist() == [6 * 256 + 8, 3 * 256 + 4, 6 * 256 + 8]
    assert metres_of_bars([tune._replace(n_bars=1)]).tolist() == [6 * 256 + 8]
    assert metres_of_bars([piece_of_bars([C], [D])]).tolist() == [0, 0]
    with pytest.raises(UsageError, match="some pieces say the metre of each bar and others do not"):
        metres_of_bars([tune, piece_of_bars([C])])
    assert metres_of_bars([tune, Piece(make_notes([]), 0)]).tolist()[1:] == [772, 1544]
    assert widest_bar([tune, piece_in((COMMON, {}))], n_steps=99) == 16
    assert widest_bar([piece_of_bars([C])], n_steps=20) == 20


# ------------------------------------------------------------------------------ measures of pieces


def test_consecutive_bars_are_compared_across_metres():
    # C | C | D in 4/4, 6/8, 3/4: the Cs alike, C and D not: 1/2. The other piece is E | E | E:
    # across nothing is alike. Even bars of 16 would put the D (step 28) beside the second C.
    mixed = piece_in((COMMON, {0: C}), (JIG, {4: C}), (WALTZ, {0: D}))
    other = piece_in((WALTZ, {0: E}), (COMMON, {0: E}), (JIG, {8: E}))
    assert coherence([mixed, other], n_steps=MANY) == pytest.approx((1 + 0 + 1 + 1) / 4)
    assert coherence_by_bar([mixed, other], n_steps=MANY).tolist() == [1, 0.5]


def test_the_groove_of_a_bar_is_compared_with_that_of_a_bar_of_its_metre_only():
    # 4/4: onsets 0, 8 | 0, 4: two of 16 steps differ. 3/4: 0 | 0, 8: one of 12 differs. The bar of
    # 6/8 has the steps of the one of 3/4 before it and is left out, as is 3/4 behind 4/4.
    piece = piece_in(
        (COMMON, {0: C, 8: C}),
        (COMMON, {0: C, 4: C}),
        (WALTZ, {0: C}),
        (WALTZ, {0: C, 8: C}),
        (JIG, {0: C, 8: C}),
    )
    assert groove_consistency(piece, n_steps=MANY) == pytest.approx(1 - 3 / 28)
    alone = piece_in((COMMON, {0: C}), (WALTZ, {0: C}), (JIG, {0: C}))
    assert math.isnan(groove_consistency(alone, n_steps=MANY))


def test_places_and_notes_are_counted_in_the_bars_that_there_are():
    # Bars of 3/4, 6/8, 4/4, numbers 772, 1544, 1028: cells 3/4 0-11, 4/4 12-27, 6/8 28-39.
    piece = piece_in((WALTZ, {0: C, 11: C}), (JIG, {0: C}), (COMMON, {15: C}), (WALTZ, {}))
    counts = count_features([piece], n_steps=MANY)
    places = counts["overlap_grooves"][0]
    assert {int(i): places[i] for i in np.flatnonzero(places)} == {0: 1, 11: 1, 28: 1, 27: 1}
    assert len(places) == 40
    assert counts["overlap_notes_per_bar"][0][:3].tolist() == [1, 2, 1]  # none, one, two notes
    # Of metres that the other side has not, nothing is counted.
    only = places_in_bars([piece_in((JIG, {}))], n_steps=MANY)
    assert count_features([piece], n_steps=MANY, places=only)["overlap_grooves"].tolist() == [
        [1] + [0] * 11
    ]


def test_random_notes_lie_in_the_bars_of_their_piece():
    long = piece_in((COMMON, dict.fromkeys(range(16), C)), (WALTZ, dict.fromkeys(range(12), D)))
    [chance] = chance_pieces([long._replace(notes=np.tile(long.notes, 40))], n_steps=MANY,
                             rng=np.random.default_rng(0))  # fmt: skip
    assert chance.metres == (COMMON, WALTZ)
    assert chance.notes["start"].max() == 27  # of 28 steps, not of 32
    assert (chance.notes["start"] + chance.notes["duration"]).max() == 28


def test_published_notes_are_written_anew_at_the_lines_of_their_bars():
    # A note of 20 steps over the line of a bar of 12: 12 and 8; over that of 16: 16 and 4.
    notes = make_notes([(0, 20, C, 90)])
    assert (abc_tokens(notes, np.array([0, 12, 24]), n_steps=16) & 0xFFFF).tolist() == [12, 8]
    assert (abc_tokens(notes, n_steps=16) & 0xFFFF).tolist() == [16, 4]
    # 12, 8 and 16, 4: both differ. By 80.
    starts = [np.array([0, 12, 24]), None]
    assert published_distances([notes, notes], n_steps=16, starts=starts)[0, 1] * 80 == 2


# ---------------------------------------------------------------------------------------- copies


def copied(piece, learned):
    training = TrainingBars.of_pieces(learned, n_steps=MANY)
    values = measure_pieces([piece], n_steps=MANY, training=training)
    names = ("copied_bars", "copied_bars_any_key", "copied_phrases", "nearest_bar")
    return [values[name].tolist()[0] for name in names]


def test_a_bar_is_a_copy_only_of_a_bar_of_its_metre():
    notes = {0: C, 4: D, 8: E}
    jigs = piece_in((JIG, notes), (JIG, notes))
    waltzes = piece_in((WALTZ, notes), (WALTZ, notes))
    assert copied(jigs, [jigs]) == [100, 100, 100, 0]
    assert copied(jigs, [waltzes]) == [0, 0, 0, 1]
    assert copied(jigs, [waltzes, piece_in((JIG, notes))]) == [100, 100, 0, 0]
    # A bar of 4/4 whose fourth quarter is empty is none of 3/4.
    assert copied(piece_in((COMMON, notes)), [waltzes])[:2] == [0, 0]
    assert copied(piece_in((COMMON, notes)), [waltzes])[3] == 1


def test_where_one_side_does_not_say_its_metres_notes_alone_are_compared():
    notes = {0: C, 4: D, 8: E}
    untold = piece_in((JIG, notes))._replace(metres=())
    assert copied(untold, [piece_in((WALTZ, notes))])[:2] == [100, 100]
    assert copied(piece_in((WALTZ, notes)), [untold])[:2] == [100, 100]
    bars, training = (bars_of_pieces([p], n_steps=12) for p in (untold, in_waltz_time(notes)))
    assert copied_bars(bars, training) == 100
    both = (codes([JIG]), codes([WALTZ]))
    assert copied_bars(bars, training, metres=both) == 0


def test_the_metres_of_a_phrase_belong_to_it_and_a_transposed_one_is_still_a_copy():
    bars = piece_in((JIG, {0: C}), (WALTZ, {0: D}), (JIG, {0: G}), (WALTZ, {0: G + 2}))
    rows, index = bars_of_pieces([bars], n_steps=MANY)
    metres = metres_of_bars([bars])
    first, _, third = phrase_contents(rows, index, np.arange(3), 2, metres)
    assert first == third
    [other] = phrase_contents(rows, index, np.array([0]), 2, metres[::-1].copy())
    assert other != first
    assert len({*phrase_contents(rows, index, np.array([0]), 2), first}) == 2


def test_the_nearest_bar_is_of_the_same_metre():
    notes = {0: C, 4: D, 8: E}
    tunes = [piece_in((WALTZ, notes), (JIG, {0: C, 4: D, 10: E}))]
    known = KnownBars(*bars_of_pieces(tunes, n_steps=MANY), metres_of_bars(tunes))
    bar, _ = bars_of_pieces([piece_in((JIG, notes))], n_steps=MANY)
    assert known.nearest(bar, JIG) == (2 / 4, 1)
    assert known.nearest(bar, WALTZ) == (1, 0)
    assert known.nearest(bar, COMMON) == (0, -1)


# --------------------------------------------------------------------------------- like with like


def test_the_metres_of_a_window_are_those_of_its_bars_the_most_frequent_first():
    assert metres_in([COMMON, WALTZ, WALTZ]) == (WALTZ, COMMON)
    assert metres_in([COMMON, WALTZ]) == (COMMON, WALTZ)
    assert metres_in([]) == ()
    numbers = codes([COMMON, WALTZ, WALTZ, JIG, JIG, JIG]).reshape(2, 3)
    assert metres_in_windows(numbers[[1, 0, 1]]) == [(JIG,), (WALTZ, COMMON), (JIG,)]
    assert metres_in_windows(np.zeros((2, 3), np.int64)) != [(COMMON,)] * 2


def test_windows_count_so_that_metres_have_the_shares_of_what_was_generated():
    # Generated: 6/8 in 3 of 4. Real: 6/8 in 2 of 8 that count: 3/4 / (2/8) = 3, and of 4/4
    # 1/4 / (6/8) = 1/3; a window of 3/4, and one that changes, have no piece beside them.
    windows = [(JIG,)] * 2 + [(COMMON,)] * 6 + [(WALTZ,), (COMMON, WALTZ)]
    counts = counting_like(windows, [(JIG,)] * 3 + [(COMMON,)])
    assert counts == pytest.approx([3] * 2 + [1 / 3] * 6 + [0, 0], abs=1e-3)
    assert counts[:8].sum() == pytest.approx(8, abs=1e-2)
    # A metre without a real window has no share: the others keep theirs.
    lacking = counting_like(windows, [(JIG,)] * 3 + [(COMMON,)] + [((5, 4),)] * 9)
    assert lacking.tolist() == counts.tolist()
    assert counting_like(windows, [()] * 4).tolist() == [1] * 10
    assert counting_like([()] * 3, [(JIG,)]).tolist() == [1] * 3
    assert counting_like([(JIG,)] * 3, [(JIG,)] * 7).tolist() == [1] * 3
    assert counting_like([(WALTZ,)] * 3, [(JIG,)] * 7).tolist() == [0] * 3


def test_sums_of_counts_are_exact():
    counts = counting_like([(JIG,)] * 7 + [(COMMON,)] * 300, [(JIG,)] * 11 + [(COMMON,)] * 2)
    for count in counts:
        assert count * 4096 == round(count * 4096) > 0
    # However rare what was generated is, real music in its metre counts.
    assert (counting_like([(JIG,)] * 9000 + [(COMMON,)], [(JIG,)] + [(COMMON,)] * 9000) > 0).all()


def one_note(metre, n):
    """A bar with notes at its first ``n`` steps."""
    return (metre, dict.fromkeys(range(n), C))


def test_the_table_has_real_music_in_the_metres_of_the_generated_pieces():
    # Generated: 6/8 thrice and 4/4 once. Real: 6/8 with 1 note twice, 4/4 with 3 notes six times,
    # 3/4 with 9 notes: 3/4 * 1 + 1/4 * 3 = 1.5 notes.
    generated = [piece_in(one_note(JIG, 2))] * 3 + [piece_in(one_note(COMMON, 2))]
    real = [piece_in(one_note(JIG, 1))] * 2 + [piece_in(one_note(COMMON, 3))] * 6
    real += [piece_in(one_note(WALTZ, 9))]
    report = compare(generated, real, n_steps=MANY)
    assert report.measures["notes"]["reference"].mean == pytest.approx(1.5, abs=1e-3)
    assert report.n_reference == 8
    said = "\n".join(report.notes)
    assert "its 8 windows count by their metres" in said
    assert "1 windows of metres that no generated piece has were left out" in said
    assert "bars by metre: 6/8 3, 4/4 1 generated; 4/4 6, 6/8 2, 3/4 1 real" in said
    # Notes a bar: 2 and none of 1 or 3: nothing in common. Lengths: all.
    assert report.measures["overlap_notes_per_bar"]["generated"].mean == 0
    assert report.measures["overlap_note_lengths"]["generated"].mean == pytest.approx(100)
    # Places: ours 6/8 0, 1 (3 each of 8), 4/4 0, 1 (1 each). Theirs, counted 3 and 1/3: 6/8 0: 6 of
    # 12, 4/4 0-2: 2 each. In common: 3/8 of 6/8 0, and 1/8 twice of 4/4.
    assert report.measures["overlap_grooves"]["generated"].mean == pytest.approx(62.5, abs=0.1)
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["metres"]["6/8"]["bars"] == {"generated": 3, "reference": 2}
    assert plain["metres"]["3/4"]["in_common_with"]["generated"]["4/4"] is None  # of few bars


def test_pictures_have_the_windows_that_are_compared():
    windows = [piece_in((JIG, {}), (JIG, {})), piece_in((WALTZ, {}), (WALTZ, {}))]
    assert windows_like(windows, [piece_in((WALTZ, {0: C}))]) == windows[1:]
    assert windows_like(windows, [piece_of_bars([C])]) == windows


def test_an_overlap_is_with_real_music_as_it_counts():
    # Bars of one note: 3 of our 4. Of the real 6/8, that counts 3/4, half: 3/8 in common. Were the
    # six of 4/4 to count as they are, it would be 1 of 8.
    generated = [piece_in(one_note(JIG, 1))] * 3 + [piece_in(one_note(COMMON, 2))]
    real = [piece_in(one_note(JIG, n)) for n in (1, 7)] + [piece_in(one_note(COMMON, 3))] * 6
    row = compare(generated, real, n_steps=MANY).measures["overlap_notes_per_bar"]
    assert row["generated"].mean == pytest.approx(37.5, abs=0.1)


def test_coherence_is_of_real_music_as_it_counts_bar_by_bar_too():
    # 6/8: C | C, which counts 3/4. 4/4: D | E, F | G, A | B. Across nothing is alike: 3/4, where
    # all windows alike would give 1/4.
    generated = [piece_in((JIG, {0: C}), (JIG, {0: C}))] * 3
    generated += [piece_in((COMMON, {0: C}), (COMMON, {0: C}))]
    real = [piece_in((JIG, {0: C}), (JIG, {0: C}))]
    real += [piece_in((COMMON, {0: a}), (COMMON, {0: a + 2})) for a in (D, F, 69)]
    report = compare(generated, real, n_steps=MANY)
    assert report.measures["coherence"]["reference"].mean == pytest.approx(0.75, abs=1e-3)
    assert report.coherence_by_bar["reference"][0].mean == pytest.approx(0.75, abs=1e-3)


def test_both_halves_of_real_music_count_as_it_does_and_of_what_is_left_out_there_is_none():
    # One tune of 6/8 counts 3, three of 4/4 a third each. A half with both has 1/10 in 4/4, the
    # other half all. Tunes of 3/4 are in neither half.
    generated = [piece_in(one_note(JIG, 1))] * 3 + [piece_in(one_note(COMMON, 2))]
    real = [piece_in(one_note(WALTZ, 1))] * 4 + [piece_in(one_note(JIG, 1))]
    real += [piece_in(one_note(COMMON, 2))] * 3
    for seed in range(6):
        row = compare(generated, real, n_steps=MANY, seed=seed).measures["overlap_notes_per_bar"]
        assert row["reference"].mean == pytest.approx(10, abs=0.1)


def test_published_diversity_writes_notes_at_the_lines_of_their_bars():
    # A note of 20 steps over the line of a bar of 12, and the same in two: both are 12 and 8.
    frame = piece_in((JIG, {}), (JIG, {}))
    whole = frame._replace(notes=make_notes([(0, 20, C, 90)]))
    parts = frame._replace(notes=make_notes([(0, 12, C, 90), (12, 8, C, 90)]))
    row = compare([whole, parts], [], n_steps=MANY).measures["diversity"]
    assert row["as_published"].mean == 0
    assert row["generated"].mean == 1


def test_metres_without_real_music_are_said():
    generated = [piece_in(one_note(JIG, 2))] * 3 + [piece_in(one_note(MARCH, 2))] * 2
    report = compare(generated, [piece_in(one_note(JIG, 1))] * 2, n_steps=MANY)
    assert any(n.startswith("generated: 2 pieces are in 2/4, and no window") for n in report.notes)
    assert report.measures["notes"]["reference"].mean == 1
    # Places of 6/8 alone: ours 0 and 1, theirs 0.
    assert report.measures["overlap_grooves"]["generated"].mean == pytest.approx(50)
    none = compare(generated[3:], [piece_in(one_note(JIG, 1))] * 2, n_steps=MANY)
    assert none.n_reference == 0
    assert "reference" not in none.measures["notes"]
    assert any("2 pieces are in 2/4, and no window of real music is" in n for n in none.notes)


def test_a_window_that_changes_metre_is_kept_as_it_is_beside_those_that_change_so():
    changing = piece_in(one_note(COMMON, 2), one_note(WALTZ, 3))
    plain = piece_in(one_note(COMMON, 1), one_note(COMMON, 1))
    report = compare([changing], [changing, plain], n_steps=MANY)
    assert report.n_reference == 1
    assert report.measures["notes"]["reference"].mean == 5
    report = compare([changing, plain], [changing, plain], n_steps=MANY)
    assert report.measures["notes"]["reference"].mean == (5 + 2) / 2


def test_one_metre_that_is_said_changes_no_figure():
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng) for _ in range(20)]
    tunes = [random_piece(rng, n_notes=55, n_bars=11) for _ in range(12)]

    def said(some):
        return [
            p._replace(metres=(COMMON,) * p.n_bars, starts=equal_bars(p.n_bars, 16)) for p in some
        ]

    reports = []
    for ours, theirs in ((pieces, tunes), (said(pieces), said(tunes)), (said(pieces), tunes)):
        training = TrainingBars.of_pieces(theirs[:6], n_steps=16)
        report = compare(ours, theirs, n_steps=16, training_bars=training, seed=1)
        reports.append(json.dumps({k: v for k, v in report.to_json().items() if k != "metres"}))
    assert reports[0] == reports[1] == reports[2]


def test_a_piece_stands_beside_real_windows_of_its_metres():
    real = [piece_in(one_note(JIG, n), one_note(JIG, 0), one_note(WALTZ, 9)) for n in (1, 2)]
    asked = {"n_bars": 2, "n_steps": MANY, "training": None}
    assert real_values(real, **asked)["notes"].tolist() == [1, 2]
    assert real_values(real, **asked, metres=[JIG, JIG])["notes"].tolist() == [1, 2]
    assert real_values(real, **asked, metres=[WALTZ, WALTZ]) == {}
    assert real_values(real, n_bars=1, n_steps=MANY, training=None, metres=[WALTZ])[
        "notes"
    ].tolist() == [9, 9]


# -------------------------------------------------------------------------------------- overlap


def waltzes_and_jigs(n_tunes, seed):
    """Tunes of 3/4 (beats of four steps) and of 6/8 (two of six), 20 bars each."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n_tunes):
        metre, usual = ((WALTZ, [0, 4, 8]), (JIG, [0, 6, 10]))[number % 2]
        bars = [
            (metre, dict.fromkeys([*usual, int(rng.integers(12))], 60 + int(rng.integers(12))))
            for _ in range(20)
        ]
        made.append(piece_in(*bars))
    return made


def test_the_overlap_of_metres_is_counted_by_hand():
    # 50 bars each. Composed 3/4: places 0, 4. Real 3/4: 0, 4, 8, 8; real 6/8: 0, 6.
    # Shares 1/2 1/2 beside 1/4 1/4 1/2: 1/2; beside 1/2 at 0: 1/2. Composed 6/8: 0, 6: with 3/4
    # 1/4, with 6/8 all. Real 3/4 and 6/8: 1/4.
    n = LEAST_BARS
    generated, real = by_hand()
    found = metre_overlap(generated, real)
    assert found.metres == (WALTZ, JIG)
    assert found.overlap.tolist() == [[50, 50], [25, 100]]
    assert found.real[0].tolist() == [100, 25]
    assert found.real[1, 0] == 25
    assert math.isnan(found.real[1, 1])  # one tune has no halves
    assert (found.n_generated.tolist(), found.n_real.tolist()) == ([n, n], [2 * n, n])


def by_hand():
    """Composed pieces and real ones of 50 bars each, in 3/4 and in 6/8."""
    n = LEAST_BARS
    generated = [piece_in(*[(WALTZ, {0: C, 4: C})] * n), piece_in(*[(JIG, {0: C, 6: D})] * n)]
    waltz = piece_in(*[(WALTZ, {0: C, 4: C, 8: C})] * n)
    again = make_notes([(12 * bar + 8, 1, D, 90) for bar in range(n)])
    waltz = waltz._replace(notes=np.concatenate([waltz.notes, again]))
    return generated, [waltz, waltz, piece_in(*[(JIG, {0: C, 6: D})] * n)]


def test_every_line_of_the_table_is_of_a_metre_of_the_composed_bars():
    report = compare(*by_hand(), n_steps=MANY)
    found = report.to_json()["metres"]
    assert found["3/4"]["in_common_with"]["generated"] == {"3/4": 50, "6/8": 50}
    assert found["6/8"]["in_common_with"] == {
        "generated": {"3/4": 25, "6/8": 100},
        "reference": {"3/4": 25, "6/8": None},
    }
    page = to_html(report, {}, "metres")
    waltz, jig = (
        page.split(f"<tr><td>{name}<small>")[1].split("</tr>")[0] for name in ("3/4", "6/8")
    )
    assert waltz.endswith("<td>50<small>100</small></td><td>50<small>25</small></td>")
    assert jig.endswith("<td>25<small>25</small></td><td>100</td>")


def test_a_metre_of_few_bars_is_not_compared():
    n = LEAST_BARS
    for n_bars, is_told in ((n - 1, False), (n, True)):
        generated = [piece_in(*[(JIG, {0: C})] * n_bars)]
        found = metre_overlap(generated, [piece_in(*[(JIG, {0: C})] * n)])
        assert np.isfinite(found.overlap).tolist() == [[is_told]]
        found = metre_overlap([piece_in(*[(JIG, {0: C})] * n)], generated)
        assert np.isfinite(found.overlap).tolist() == [[is_told]]
        real = [piece_in(*[(JIG, {0: C})] * n), piece_in(*[(WALTZ, {0: C})] * n_bars)]
        found = metre_overlap(generated, real)
        assert np.isfinite(found.real[[0, 1], [1, 0]]).tolist() == [is_told] * 2


def test_given_bars_and_what_is_held_or_not_heard_count_nothing():
    n = LEAST_BARS
    piece = piece_in(*[(JIG, {3: C})] * 2, *[(JIG, {6: C})] * n, given=2)
    piece.notes["duration"][2:-1] = 12  # over the next line
    faint = make_notes([(12 * bar + 5, 1, C, 10) for bar in range(n)])
    notes = np.concatenate([piece.notes, faint])
    piece = piece._replace(notes=notes[np.argsort(notes["start"], kind="stable")])
    found = metre_overlap([piece], [piece_in(*[(JIG, {6: C})] * n)] * 2)
    assert found.n_generated.tolist() == [n]
    assert found.overlap.tolist() == [[100]]


def test_real_music_beside_itself_is_near_100_and_metres_of_one_length_are_told_apart():
    tunes = waltzes_and_jigs(40, 0)
    found = metre_overlap(tunes[::4] + tunes[1::4], tunes[2::4] + tunes[3::4])
    for at in range(2):
        assert found.overlap[at, at] > 90
        assert found.real[at, at] > 90
        assert found.overlap[at, 1 - at] < 60
    # Jigs that are said to be waltzes are found out.
    wrong = [t._replace(metres=(WALTZ,) * t.n_bars) for t in tunes if t.metres[0] == JIG]
    row = metre_overlap(wrong, tunes)
    at, other = row.metres.index(WALTZ), row.metres.index(JIG)
    assert row.overlap[at, at] < 60
    assert row.overlap[at, other] > 90


def test_the_overlap_of_metres_asks_for_metres_and_takes_no_real_music_too():
    jigs = [piece_in(*[(JIG, {0: C})] * LEAST_BARS)]
    with pytest.raises(UsageError, match="give pieces with the metre of each bar"):
        metre_overlap([piece_of_bars([C])], jigs)
    found = metre_overlap(jigs, [])
    assert found.metres == (JIG,)
    assert math.isnan(found.overlap[0, 0])
    assert found.n_real.tolist() == [0]


def test_the_page_and_the_notes_have_a_line_for_each_metre():
    tunes = waltzes_and_jigs(12, 0)
    report = compare(tunes, tunes, n_steps=MANY)
    said = "\n".join(report.notes)
    assert "3/4: the places in the bar where notes begin have 100 % in common with real 3/4" in said
    assert "(6/8) at most" in said
    page = to_html(report, {}, "metres")
    assert page.count("<th>real 3/4</th>") == page.count("<th>real 6/8</th>") == 1
    assert "120 bars generated, 120 real" in page
    assert "Metre by metre" not in to_html(compare(tunes[::2], tunes[::2], n_steps=MANY), {}, "a")


# ------------------------------------------------------------------------------------- networks


@pytest.fixture
def asked(monkeypatch):
    """The windows that the network is given, part by part, side by side."""
    from nextbar.measures import judge_network

    parts = []

    def train_and_ask(*given, **_):
        parts[:] = given
        return tuple(np.ones(len(rolls)) for rolls in given[2])

    monkeypatch.setattr(judge_network, "train_and_ask", train_and_ask)
    return parts


def test_a_windows_bars_stand_apart_as_the_longest_does_and_are_empty_beyond_their_end():
    piece = piece_in((JIG, {11: C}), (COMMON, {0: D, 15: E}), (JIG, {0: F}))
    rolls, _ = windows_of([piece], [[0, 1]], n_bars=2, n_steps=16)
    assert rolls.shape == (2, 2, 88, 32)
    begins = [np.argwhere(roll[1])[:, ::-1].tolist() for roll in rolls]
    assert sorted(begins[0]) == [[11, C - 21], [16, D - 21], [31, E - 21]]
    assert sorted(begins[1]) == [[0, D - 21], [15, E - 21], [16, F - 21]]


def in_metre(metre, n_tunes, n_bars=4):
    """Tunes with a note at the last step of each bar: a window shows what metre it is in."""
    width = WIDTHS[metre]
    return [piece_in(*[(metre, {width - 1: C + n % 12})] * n_bars) for n in range(n_tunes)]


def shares(rolls):
    """The share of each last step among windows of one bar."""
    last = rolls[:, 1].any(axis=1).argmax(axis=1)
    return {int(step): float(np.mean(last == step)) for step in np.unique(last)}


def test_both_sides_have_metres_in_the_same_shares_and_none_that_the_other_lacks(asked):
    # Composed: 40 in 4/4, 40 in 6/8, 30 in 2/4. Real: 120 in 4/4, 20 in 6/8, none in 2/4.
    pieces = [*in_metre(COMMON, 40), *in_metre(JIG, 40), *in_metre(MARCH, 30)]
    real = [*in_metre(COMMON, 120), *in_metre(JIG, 20)]
    verdict = told_from_real(pieces, real, n_steps=MANY, n_bars=1)
    everything = [np.concatenate([part[side] for part in asked]) for side in (0, 1)]
    for rolls in everything:
        assert shares(rolls) == {11: 0.5, 15: 0.5}
    assert [len(rolls) for rolls in everything] == [80 * 4, 140 * 4]
    assert sum(verdict.n_tested) > 0
    again = told_from_real(pieces, real, n_steps=MANY, n_bars=1)
    assert again == verdict


def test_half_of_the_real_tunes_stands_beside_the_other_in_the_same_shares(asked):
    real_told_from_real([*in_metre(COMMON, 30), *in_metre(JIG, 11)], n_steps=MANY, n_bars=1)
    first, second = (shares(np.concatenate([part[side] for part in asked])) for side in (0, 1))
    assert first == pytest.approx(second, abs=0.01)


def test_windows_are_as_wide_as_the_longest_bar_of_either_side(asked):
    untold = [
        [piece._replace(metres=()) for piece in in_metre(metre, 40)] for metre in (JIG, COMMON)
    ]
    told_from_real(*untold, n_steps=1, n_bars=1)
    assert {rolls.shape[3] for part in asked for rolls in part} == {16}
    assert all(rolls[:, 1, :, 15].any(axis=1).all() for _, rolls in asked)


def test_a_given_bar_is_of_a_tune_that_has_it_in_its_metre():
    notes = {0: C, 4: D, 8: E}
    real = [piece_in((metre, notes), (metre, {})) for metre in (WALTZ, JIG, WALTZ)]
    begun = [piece_in((JIG, notes), (JIG, {0: C}), given=1)]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert classifiers._tunes_begun_with(begun, real, 16, rng).tolist() == [1]


def fair_tunes(metre, n_tunes, seed):
    """Tunes that differ in nothing but their metre: notes at the last step and three others."""
    rng = np.random.default_rng(seed)
    width = WIDTHS[metre]
    return [
        piece_in(
            *(
                (metre, dict.fromkeys([width - 1, *rng.choice(width - 1, 3).tolist()], C))
                for _ in range(4)
            )
        )
        for _ in range(n_tunes)
    ]


@pytest.mark.trains
def test_a_network_does_not_tell_by_the_metre_what_it_could_tell_by_the_metre_alone():
    pieces = [*fair_tunes(COMMON, 50, 0), *fair_tunes(JIG, 10, 1)]
    real = [*fair_tunes(COMMON, 10, 2), *fair_tunes(JIG, 50, 3)]
    assert told_from_real(pieces, real, n_steps=MANY, n_bars=2).accuracy.low < 55
    untold = [[piece._replace(metres=()) for piece in side] for side in (pieces, real)]
    assert told_from_real(*untold, n_steps=MANY, n_bars=2).accuracy.mean > 65


def test_real_tunes_are_like_those_of_their_metre_and_unlike_those_of_others():
    tunes = []
    options = CorpusOptions(grid="metre")
    for name, contents in midi_files(shared_data("nottingham-1034.zip")).items():
        for read in pieces_from_bytes(contents, name=name, options=options).pieces:
            notes, metres = read.grid.notes, read.metres
            tunes.append(Piece(notes, read.n_bars, name, metres=metres, starts=read.starts))
    found = metre_overlap(tunes[::2], tunes[1::2])
    assert found.metres[:3] == (COMMON, JIG, WALTZ)
    for at in range(3):
        assert found.overlap[at, at] > 95
        assert np.delete(found.overlap[at, :3], at).max() < 80
        assert found.real[at, at] > 90
