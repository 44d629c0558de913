import re

import mido
import numpy as np
import pytest

from nextbar.music import report
from nextbar.music.corpus import Corpus
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import read_tune
from nextbar.music.report import write_prepare_report
from nextbar.music.summary import advise, summarise

from .midi_files import midi, signature, track, tune_bytes
from .prepared import prepare


def prepared(tmp_path, files, **options):
    folder = tmp_path / "songs"
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return prepare(folder, tmp_path / "corpus", **options)


@pytest.fixture
def corpus(tmp_path):
    """Six scales in six keys, one waltz, and a broken file with a name that is none of HTML's."""
    files = {f"{i}.mid": tune_bytes(transpose=i, n_bars=4) for i in range(6)}
    waltz = [(1440 * i, 1440, 60, 80) for i in range(4)]
    files["waltz.mid"] = midi(mido.MidiTrack([signature(3, 4)]), track(waltz))
    files["<script>alert(1)<&.mid"] = b"broken"
    return prepared(tmp_path, files, metre="4/4")


def test_the_summary_counts_notes_and_bars(corpus):
    summary = summarise(corpus)
    assert (summary.n_bars_seen, summary.n_silent) == (24, 0)
    # Bars 1 and 3 of a tune are the same, and so are 2 and 4; none is shared between keys but
    # the first half of one scale is the second of none.
    assert summary.n_distinct == 12
    assert summary.velocities[90] == summary.velocities.sum() == 6 * 16
    assert summary.pitches[60] == 2  # only the scale from 60 has it, in bars 1 and 3
    assert summary.tempos == [120.0] * 6


def test_bars_of_two_metres_differ_and_notes_meet_where_a_shorter_bar_ends(tmp_path):
    # A C over a bar of 4/4, one over a bar of 3/4, and one at the beginning of the next: each
    # begins where the one before ends. Then a bar of silence, and a C on the second beat.
    events = [signature(4, 4), signature(3, 4, time=1920)]
    notes = [(0, 1920, 60, 90), (1920, 1440, 60, 90), (3360, 480, 60, 90), (6720, 480, 60, 90)]
    tune = midi(mido.MidiTrack(events), track(notes))
    # In 4/4: a C on the one, a bar of silence, a C on the one.
    other = midi(mido.MidiTrack([signature(4, 4)]), track([(0, 480, 60, 90), (3840, 480, 60, 90)]))
    summary = summarise(prepared(tmp_path, {"a.mid": tune, "b.mid": other}))
    assert summary.repeated == 2 / 6
    assert summary.n_distinct == 5 + 2  # silence, and a C on the one, are in both metres


def test_notes_that_repeat_without_a_gap_are_a_share_of_all(tmp_path):
    notes = [(0, 480, 60, 90), (480, 480, 60, 90), (960, 240, 60, 90), (1920, 1920, 62, 90)]
    corpus = prepared(tmp_path, {"a.mid": midi(track(notes))})
    assert summarise(corpus).repeated == 2 / 4


def test_the_page_needs_nothing_else_and_runs_nothing(corpus):
    write_prepare_report(corpus)
    page = (corpus.path / "prepare-report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;&amp;.mid" in page
    assert set(re.findall(r'(?:src|href)="([^"]{0,22})', page)) == {"data:image/png;base64,"}
    assert "@import" not in page
    assert "url(" not in page
    assert len(re.findall("<svg", page)) == 6
    for words in ("metre 3/4", "not a MIDI file", "files taken", "files refused"):
        assert words in page
    assert len(corpus.summary.advice) >= 2
    Corpus.open(corpus.path)
    # A corpus with its report is a corpus still, and can be renewed.
    assert prepared(corpus.path.parent, {}).n_pieces == 7


def test_its_picture_shows_each_bar_in_its_own_metre(corpus, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "draw_contact_sheet", lambda panels, **_: drawn.extend(panels))
    monkeypatch.setattr(report, "png_bytes", lambda _: b"")
    corpus.metres, corpus.bar_metres = ((4, 4), (3, 4)), np.zeros(24, np.uint8)
    corpus.bar_metres[5:7] = 1  # the second and third of the second piece's four
    write_prepare_report(corpus)
    assert [panel.starts.tolist() for panel in drawn[:2]] == [
        [0, 16, 32, 48, 64],
        [0, 16, 28, 40, 56],
    ]
    assert drawn[1].metres == [(4, 4), (3, 4), (3, 4), (4, 4)]


def manifest(**changed):
    """A manifest about which there is nothing to say."""
    options = {
        "grid": "metre", "metre": "all", "onsets": True, "common_key": True, "augment": 0,
        "steps_per_quarter": 4,
    }  # fmt: skip
    options |= changed.pop("options", {})
    return {
        "options": options,
        "metres": ["4/4"],
        "bars_in": {"4/4": 20_340},
        "pieces_in": {"4/4": 340},
        "keys": {"C/Am": 340},
        "pairs": 20_000,
        "files_taken": 340,
        "files_refused": 0,
        "refused": {},
        "mean_shift_ms": 0.0,
    } | changed


@pytest.fixture
def summary(corpus):
    """That of music with everything."""
    summary = summarise(corpus)
    summary.velocities = np.ones(128, np.int64)
    return summary


def test_where_all_is_well_the_advice_says_so(summary):
    assert advise(manifest(), summary, 30) == ["Nothing here stands in the way of training."]


@pytest.mark.parametrize(
    ("changed", "held_out", "text"),
    [
        ({"pairs": 90}, 30, "Only 90 pairs of bars: expect copying; add files."),
        (
            {"pairs": 90, "options": {"common_key": False}},
            30,
            "Only 90 pairs of bars: expect copying; add files, or --augment 5.",
        ),
        (
            {"bars_in": {"4/4": 9_000, "3/4": 200, "5/8": 199, "6/8": 1}},
            30,
            "200 of 9,400 bars are in 2 metres with under 200 bars each (5/8, 6/8): the model will"
            " know little of these.",
        ),
        (
            {"bars_in": {"4/4": 9_000, "3/4": 150}},
            30,
            "150 of 9,150 bars are in 1 metre with under 200 bars (3/4): the model will know little"
            " of these.",
        ),
        (
            {"keys": {"D/Bm": 10, "G/Em": 9, "C/Am": 8}, "options": {"common_key": False}},
            30,
            "The pieces are in 3 keys, of which the most frequent, D/Bm, has 37%:"
            " --common-key makes a small corpus easier to learn.",
        ),
        (
            {},
            1,
            "Only 1 piece is held out: measures will be rough;"
            " add files, or hold out more with --held-out-every.",
        ),
        ({}, 0, "One piece only: none is held out, so nothing can be measured honestly."),
        (
            {"refused": {"no such track": 100}},
            30,
            "100 refusals in 340 files for one reason (no such track):"
            " choose another with --track, or leave --track out.",
        ),
        (
            {"refused": {"empty file": 100}},
            30,
            "100 refusals in 340 files for one reason (empty file):"
            " save it anew from a music program.",
        ),
        ({"refused": {"duplicate": 50}}, 30, "50 files are copies of others, and count once."),
    ],
)
def test_advice_is_given_in_words(summary, changed, held_out, text):
    assert advise(manifest(**changed), summary, held_out) == [text]


def test_advice_on_notes(summary):
    summary.velocities = np.bincount([90, 90], minlength=128)
    summary.repeated, summary.off_grid_steps, summary.dropped_notes = 0.124, 0.2, 7
    summary.n_bars_seen, summary.n_distinct = 1_000, 199
    facts = manifest(options={"onsets": False}, mean_shift_ms=25.4)
    assert advise(facts, summary, 30) == [
        "Of 1,000 bars only 199 are distinct: there is less to learn than it seems.",
        "All velocities are equal (90): dynamics cannot be learnt.",
        "12% of the notes repeat the one before without a gap, and without onsets they merge into"
        " long ones: try --onsets.",
        "Notes lie 0.20 steps off the grid on average (25 ms), as played music or triplets do:"
        " try --grid seconds, or --steps-per-quarter 12 (triplets).",
        "7 notes lie outside A0-C8 or are silent, and were left out.",
    ]


def test_what_was_passed_over_or_left_out_is_told_besides_the_advice(summary):
    summary.left_out.update({"grace notes, left out": 161, "notes that never end": 1})
    summary.pieces_left_out.update({"grace notes, left out": 3, "notes that never end": 1})
    facts = manifest(ignored={".mscz": 2, ".txt": 1, ".sib": 1, "no suffix": 4})
    assert advise(facts, summary, 30) == [
        "Nothing here stands in the way of training.",
        "In 3 pieces: 161 grace notes, left out.",
        "In 1 piece: 1 notes that never end.",
        "Passed over: 2 .mscz, 1 .sib, which cannot be read here; export them as MusicXML or MIDI"
        " from the program that made them.",
        "Passed over as no music files: 4 no suffix, 1 .txt.",
    ]


def triplets(quarters, *, swing=False):
    ticks = [0, 320] if swing else [0, 160, 320]
    notes = [(480 * q + t, 160, 60 + t // 160, 90) for q in range(quarters) for t in ticks]
    return midi(track(notes))


@pytest.mark.parametrize("swing", [False, True])
def test_triplets_and_swing_on_a_grid_of_sixteenths_are_told_with_the_grid_that_fits(
    tmp_path, swing
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(triplets(16, swing=swing))
    words = "1 piece has triplets, swing or shorter notes that a grid of 4 steps a quarter makes"
    words += " uneven: --steps-per-quarter 12 keeps them."
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert words in summarise(corpus).advice
    piece = read_tune(tmp_path / "in" / "a.mid", options=CorpusOptions())
    assert piece.fitting_steps == 12
    finer = prepare(tmp_path / "in", tmp_path / "fine", steps_per_quarter=12)
    assert not any("triplets" in sentence for sentence in summarise(finer).advice)
    # A quarter has 12 steps: each third of it stands on a step of its own.
    assert set((finer.notes(0, 4)["start"] % 12).tolist()) <= {0, 4, 8}


def test_played_music_fits_no_grid_and_straight_music_its_own(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "a.mid"
    played = [(int(480 * q + rng.integers(0, 90)), 200, 60, 90) for q in range(64)]
    for notes, fits in ((played, None), ([(240 * i, 240, 60, 90) for i in range(64)], None)):
        path.write_bytes(midi(track(notes)))
        assert read_tune(path, options=CorpusOptions()).fitting_steps is fits
    thirty_seconds = [(60 * i, 60, 60 + i % 2, 90) for i in range(64)]
    path.write_bytes(midi(track(thirty_seconds)))
    assert read_tune(path, options=CorpusOptions()).fitting_steps == 8
