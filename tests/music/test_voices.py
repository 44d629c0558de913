"""Which voice of a staff plays what."""

from nextbar.music.bars import equal_bars
from nextbar.music.voices import MOST_VOICES, Span, Tone, voices_by_bar

from .midi_files import make_notes
from .sheets import random_piece


def voices(*rows, n_bars=1):
    """Of each bar, by voice: (start, end, pitches) of each span."""
    bars = voices_by_bar(make_notes(*rows), equal_bars(n_bars, 16))
    return [
        {
            voice: [(s.start, s.end, [tone.pitch for tone in s.tones]) for s in spans]
            for voice, spans in bar.items()
        }
        for bar in bars
    ]


def test_a_line_with_rests_fills_its_bars_and_a_silent_bar_has_no_voice():
    assert voices((4, 4, 60, 80), (12, 8, 62, 80), n_bars=3) == [
        {0: [(0, 4, []), (4, 8, [60]), (8, 12, []), (12, 16, [62])]},
        {0: [(0, 4, [62]), (4, 16, [])]},
        {},
    ]


def test_what_is_held_over_a_bar_line_is_tied_on_both_sides():
    first, second, third = voices_by_bar(make_notes((8, 30, 60, 80)), equal_bars(3, 16))
    assert first[0][-1] == Span(8, 16, (Tone(60, False, True),), 80)
    assert second[0] == [Span(0, 16, (Tone(60, True, True),), 80)]
    assert third[0][0] == Span(0, 6, (Tone(60, True, False),), 80)


def test_the_higher_of_two_lines_is_the_first_voice_whichever_begins():
    upper, lower = (4, 8, 72, 80), (0, 8, 60, 80)
    assert voices(upper, lower)[0][0][1] == (4, 12, [72])
    assert voices(upper, lower)[0][1][0] == (0, 8, [60])
    upper, lower = (0, 8, 72, 80), (4, 8, 60, 80)
    assert voices(upper, lower)[0][0][0] == (0, 8, [72])


def test_lines_that_do_not_overlap_are_one_voice_again():
    rows = [(0, 4, 72, 80), (0, 8, 60, 80), (8, 8, 55, 80)]
    assert voices(*rows)[0][0] == [(0, 4, [72]), (4, 8, []), (8, 16, [55])]


def test_a_note_that_is_held_keeps_its_voice_in_the_next_bar():
    # the lower note is alone in bar 2 at first, but was under another when it began
    bars = voices((0, 16, 72, 80), (8, 16, 60, 80), (20, 4, 74, 80), n_bars=2)
    assert bars[1] == {0: [(0, 4, []), (4, 8, [74]), (8, 16, [])], 1: [(0, 8, [60]), (8, 16, [])]}


def test_what_would_need_a_fifth_voice_shares_the_last_cut_at_each_others_ends():
    rows = [(i, 12 - i, 80 - i, 80) for i in range(6)]  # each begins a step later, all end at 12
    [bar] = voices_by_bar(make_notes(*rows), equal_bars(1, 16))
    assert sorted(bar) == [0, 1, 2, 3]
    shared = [(s.start, s.end, s.tones) for s in bar[3] if s.tones]
    assert shared == [
        (3, 4, (Tone(77, False, True),)),
        (4, 5, (Tone(76, False, True), Tone(77, True, True))),
        (5, 12, (Tone(75, False, False), Tone(76, True, False), Tone(77, True, False))),
    ]


def test_of_five_that_begin_together_the_highest_are_alone():
    [bar] = voices(*((0, 4 + i, 60 + i, 80) for i in range(5)))
    assert [bar[voice][0] for voice in range(3)] == [(0, 8, [64]), (0, 7, [63]), (0, 6, [62])]
    assert bar[3][:2] == [(0, 4, [60, 61]), (4, 5, [61])]


def test_nothing_is_lost_and_no_bar_has_more_than_four_voices():
    for seed in range(30):
        notes = random_piece(seed, (4, 4), 4)
        bars = voices_by_bar(notes, equal_bars(3, 16))
        sounding = sum(
            (span.end - span.start) * len(span.tones)
            for bar in bars
            for spans in bar.values()
            for span in spans
        )
        assert sounding == notes["duration"].sum()
        assert all(len(bar) <= MOST_VOICES for bar in bars)
        begun = [t for bar in bars for spans in bar.values() for s in spans for t in s.tones]
        assert sum(not tone.from_before for tone in begun) == len(notes)
