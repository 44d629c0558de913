"""The verbs in Python, on small real files."""

import json
import math
import os
import re
import shutil
import signal
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
import symusic
import torch

import nextbar
from nextbar.cli import main
from nextbar.errors import ConfigError, CorpusError, MusicFileError, RunError, UsageError
from nextbar.frames.record import WEIGHTS, read_history
from nextbar.judging import pieces_of_corpus
from nextbar.measures.copying import TrainingBars
from nextbar.music.bars import NOTE
from nextbar.music.corpus import Corpus
from nextbar.music.score import to_score, write_midi
from nextbar.writing.hearing import hear

from .fixtures import QUICK, let_it_sound, write_tune, write_tunes


@pytest.fixture(scope="module")
def model(trained):
    return let_it_sound(nextbar.load(trained / "run"))


def heard_notes(path):
    """(start, pitch, duration, velocity) of a MIDI file, in sixteenths."""
    score = symusic.Score(str(path))
    step = score.ticks_per_quarter // 4
    return sorted(
        (n.time // step, n.pitch, n.duration // step, n.velocity)
        for track in score.tracks
        for n in track.notes
    )


# ------------------------------------------------------------------------------- the Python way


def test_a_model_writes_a_score_that_depends_on_its_seed_alone(model):
    first, again, other = (model.generate(bars=4, seed=s) for s in (1, 1, 2))
    assert isinstance(first, symusic.core.ScoreTick)
    assert first.dumps_midi() == again.dumps_midi() != other.dumps_midi()
    assert first.time_signatures[0].numerator == 4


def test_a_score_has_no_more_bars_than_asked_for(model):
    score = model.generate(bars=3, seed=1)
    assert 0 < score.end() <= 3 * 4 * score.ticks_per_quarter


def test_a_higher_threshold_leaves_fewer_notes(model):
    def sounding_steps(threshold):
        score = model.generate(bars=4, seed=1, threshold=threshold)
        return sum(note.duration for note in score.tracks[0].notes)

    assert sounding_steps(0.01) > sounding_steps(0.3) >= sounding_steps(0.9)


def test_heard_velocities_are_whole_and_silence_is_silent():
    frames = torch.tensor([0.0, 0.29, 0.3, 0.5, 1.0]).reshape(1, 1, 1, 5)
    heard = hear(frames, 0.3).flatten() * 127
    # 0.3 * 127 = 38.1 -> 38, 0.5 * 127 = 63.5 -> 64 (even)
    torch.testing.assert_close(heard, torch.tensor([0.0, 0, 38, 64, 127]))


def test_onsets_are_heard_where_sound_follows_silence_or_the_channel_says_so():
    velocity = torch.tensor([0.9, 0.9, 0.0, 0.9, 0.9, 0.0])
    onset = torch.tensor([0.0, 0.8, 0.9, 0.0, 0.2, 0.0])
    heard = hear(torch.stack([velocity, onset]).reshape(1, 2, 1, 6), 0.5)[0, 1, 0]
    # step 0: a bar's first step may be held over; 1: said; 2: silent; 3: after silence
    assert heard.tolist() == [0, 1, 0, 1, 0, 0]


# ------------------------------------------------------------------------------------ beginnings


def test_a_beginning_from_noise_is_none_and_one_from_the_corpus_is_a_real_bar(trained, model):
    assert nextbar.begin_from(model, "noise") is None
    corpus = nextbar.Corpus.open(trained / "corpus")
    beginning = nextbar.begin_from(model, "held-out", seed=5)
    held_out = np.concatenate([corpus.bars_of(p) for p in corpus.pieces("held_out")])
    assert any(np.array_equal(beginning.rolls[-1], roll) for roll in corpus.rolls(held_out))
    assert beginning.n_bars == 1


def test_the_bars_of_a_users_file_are_kept_unchanged_in_front(trained, model, tmp_path):
    tune = trained / "tunes" / "tune03.mid"
    (written,) = nextbar.generate(
        model, tmp_path, pieces=1, bars=3, from_bar=f"{tune}:4", wav=False, pictures=False
    )
    given = [note for note in heard_notes(tune) if note[0] < 4 * 16]
    ours = heard_notes(written)
    assert [note for note in ours if note[0] < 4 * 16] == given
    assert max(note[0] for note in ours) >= 4 * 16, "something was written behind them"
    assert re.fullmatch(r"tune03-[0-9a-f]{6}-bar4-3bars-seed0\.mid", written.name)


def test_without_a_bar_number_a_file_is_continued_behind_its_end(trained, model):
    beginning = nextbar.begin_from(model, str(trained / "tunes" / "tune03.mid"))
    assert beginning.n_bars == 6


def test_a_piece_continued_from_its_own_file_depends_on_what_is_heard_alone(model, tmp_path):
    first = nextbar.generate(model, tmp_path, pieces=1, bars=2, wav=False, pictures=False)[0]
    beginning = nextbar.begin_from(model, f"{first}:2")
    (whole,) = model.compose([None], bars=2, seeds=[0])
    (alone,) = model.compose([beginning], bars=1, seeds=[0])
    assert np.array_equal(whole.notes, alone.notes[alone.notes["start"] < 32])


def test_a_seed_bar_that_does_not_exist_is_named(trained, model):
    with pytest.raises(UsageError, match=r"tune03.mid has bars 1 to 6, there is no bar 7"):
        nextbar.begin_from(model, f"{trained / 'tunes' / 'tune03.mid'}:7")
    with pytest.raises(UsageError, match="there is no bar 0"):
        nextbar.begin_from(model, f"{trained / 'tunes' / 'tune03.mid'}:0")


def test_a_silent_seed_bar_is_refused_with_the_nearest_that_sounds(model, tmp_path):
    notes = np.array([(0, 4, 60, 90), (48, 4, 62, 90)], NOTE)  # bars 1 and 4
    write_midi(to_score(notes), tmp_path / "gap.mid")
    with pytest.raises(UsageError, match=r"bar 3 of .*gap.mid is silent; .* is bar 4"):
        nextbar.begin_from(model, f"{tmp_path / 'gap.mid'}:3")


def test_a_seed_file_in_another_metre_or_missing_or_broken_is_refused(model, tmp_path):
    notes = np.array([(0, 4, 60, 90)], NOTE)
    write_midi(to_score(notes, metre=(3, 4)), tmp_path / "waltz.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    with pytest.raises(MusicFileError, match=r"waltz.mid: it is in 3/4"):
        nextbar.begin_from(model, str(tmp_path / "waltz.mid"))
    with pytest.raises(MusicFileError, match=r"broken.mid"):
        nextbar.begin_from(model, str(tmp_path / "broken.mid"))
    with pytest.raises(UsageError, match="there is no such file"):
        nextbar.begin_from(model, str(tmp_path / "nowhere.mid"))


def test_a_corpus_that_is_gone_or_changed_is_said(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    text = (tmp_path / "run" / "run.json").read_text()
    moved = text.replace(json.dumps(str((trained / "corpus").resolve())), '"/nowhere/corpus"')
    (tmp_path / "run" / "run.json").write_text(moved)
    with pytest.raises(CorpusError, match=r"cannot be used: .*nowhere.*begin from noise or a file"):
        nextbar.begin_from(nextbar.load(tmp_path / "run"), "held-out")


# -------------------------------------------------------------------------------------- generate


def test_the_same_command_writes_identical_files_whatever_the_number_of_pieces(trained, tmp_path):
    run = trained / "run"
    few = nextbar.generate(run, tmp_path / "few", pieces=2, bars=3, seed=5, wav=False)
    many = nextbar.generate(run, tmp_path / "many", pieces=20, bars=3, seed=0, wav=False)
    for path in few:
        twin = tmp_path / "many" / path.name
        assert twin in many
        assert path.read_bytes() == twin.read_bytes()
        assert path.with_suffix(".png").read_bytes() == twin.with_suffix(".png").read_bytes()


def test_a_folder_of_pieces_says_how_each_can_be_made_again(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path / "a", pieces=3, bars=2, seed=4, temperature=0.5)
    record = json.loads((tmp_path / "a" / "generated.json").read_text())
    name = "noise-2bars-temperature0.5-seed6.mid"
    details = record["pieces"][name]
    assert (details["seed"], details["bars"], details["given_bars"]) == (6, 2, 0)
    assert record["nextbar"] == nextbar.__version__
    assert record["run"]["corpus"]["fingerprint"]
    words = details["command"].replace("FOLDER", str(tmp_path / "b")).split()
    assert words[:2] == ["nextbar", "generate"]
    assert main(words[1:]) == 0
    assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_pictures_and_sound_stand_beside_the_midi(trained, tmp_path):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    paths = nextbar.generate(trained / "run", tmp_path, pieces=2, bars=2, from_bar="held-out")
    names = sorted(path.name for path in tmp_path.iterdir())
    stems = [path.stem for path in paths]
    expected = [f"{stem}{suffix}" for stem in stems for suffix in (".mid", ".png", ".wav")]
    assert names == sorted([*expected, "all.png", "generated.json"])


def test_what_was_written_before_an_interruption_is_whole_and_recorded(trained, tmp_path):
    def interrupt(now):
        if now.n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nextbar.generate(
            trained / "run", tmp_path, pieces=5, bars=2, wav=False, pictures=False,
            progress=interrupt,
        )  # fmt: skip
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["generated.json", "noise-2bars-seed0.mid", "noise-2bars-seed1.mid"]
    assert len(json.loads((tmp_path / "generated.json").read_text())["pieces"]) == 2


def test_a_wav_lasts_as_long_as_its_bars_even_where_the_last_are_silent(trained, tmp_path):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    (path,) = nextbar.generate(
        trained / "run", tmp_path, pieces=1, bars=2, threshold=1.0, pictures=False
    )
    with wave.open(str(path.with_suffix(".wav"))) as file:
        # 2 bars of 2 s, and the tail of 2 s
        assert file.getnframes() / file.getframerate() == pytest.approx(6, abs=0.01)


def test_a_folder_with_pieces_of_another_run_is_left_alone(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path / "music", pieces=1, bars=1, wav=False)
    corpus = nextbar.Corpus.open(trained / "corpus")
    nextbar.train(corpus, tmp_path / "other", **{**QUICK, "seed": 9})
    before = sorted(path.name for path in (tmp_path / "music").iterdir())
    with pytest.raises(UsageError, match="holds pieces of another run"):
        nextbar.generate(tmp_path / "other", tmp_path / "music", pieces=5, wav=False)
    assert sorted(path.name for path in (tmp_path / "music").iterdir()) == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"pieces": 0}, "pieces: 0 is not between 1 and 100,000"),
        ({"bars": 0}, "bars: 0 is not between 1 and 10,000"),
        ({"temperature": -1.0}, "temperature: -1 is not between 0 and 100"),
        ({"temperature": float("nan")}, "temperature: nan is not between"),
        ({"threshold": 0.0}, "threshold: 0 is not above 0 and at most 1"),
        ({"seed": -1}, "seed: -1 is not a whole number from 0"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
    ],
)
def test_absurd_requests_are_refused_before_anything_is_written(trained, tmp_path, wrong, says):
    with pytest.raises(UsageError, match=says):
        nextbar.generate(trained / "run", tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------------- train


def test_a_finished_run_can_be_trained_further_and_is_then_the_longer_run(trained, tmp_path):
    corpus = nextbar.Corpus.open(trained / "corpus")
    nextbar.train(corpus, tmp_path / "a", **QUICK)
    nextbar.train(corpus, tmp_path / "a", epochs=3)
    nextbar.train(corpus, tmp_path / "b", **{**QUICK, "epochs": 3})
    ours, expected = ((tmp_path / name / WEIGHTS).read_bytes() for name in "ab")
    assert ours == expected
    assert [line["epoch"] for line in read_history(tmp_path / "a")] == [1, 2, 3]


def test_a_run_is_not_continued_as_another_run(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    corpus = nextbar.Corpus.open(trained / "corpus")
    with pytest.raises(RunError, match="was begun with batch 8, not 16; leave it out to continue"):
        nextbar.train(corpus, tmp_path / "run", batch=16)
    other = nextbar.prepare(write_tunes(tmp_path / "tunes", 11), tmp_path / "corpus", page=False)
    with pytest.raises(RunError, match="was begun on another corpus"):
        nextbar.train(other, tmp_path / "run")


def test_a_run_records_what_it_was_made_from(trained):
    seen = nextbar.inspect(trained / "run")
    manifest = nextbar.inspect(trained / "corpus")
    assert seen["origin"]["corpus"]["fingerprint"] == manifest["fingerprint"]
    assert seen["origin"]["nextbar"] == nextbar.__version__
    assert seen["config"]["seed"] == 0
    assert (seen["epoch"], seen["epochs"], len(seen["history"])) == (2, 2, 2)


def test_a_corpus_too_small_to_train_on_says_so(tmp_path):
    write_tune(tmp_path / "one" / "a.mid", n_bars=1)
    write_tune(tmp_path / "one" / "b.mid", n_bars=1, seed=1)
    corpus = nextbar.prepare(tmp_path / "one", tmp_path / "corpus", min_bars=1, page=False)
    with pytest.raises(CorpusError, match="no pair of consecutive bars to train on"):
        nextbar.train(corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_batch_larger_than_the_corpus_says_what_fits(trained, tmp_path):
    # 12 tunes of 6 bars, 2 of them held out: 10 * 5 = 50 pairs
    with pytest.raises(ConfigError, match="batch: 64 is more than the 50 training pairs"):
        nextbar.train(trained / "corpus", tmp_path / "run", batch=64)


def test_ctrl_c_leaves_a_checkpoint_that_continues_to_the_same_weights(trained, tmp_path):
    corpus = nextbar.Corpus.open(trained / "corpus")

    def interrupt(now):
        if now.step == 3:  # in the middle of the first epoch
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        nextbar.train(corpus, tmp_path / "run", **QUICK, progress=interrupt)
    nextbar.train(corpus, tmp_path / "run")
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (trained / "run" / WEIGHTS).read_bytes()


def test_training_works_outside_the_main_thread(trained, tmp_path):
    failures = []

    def work():
        try:
            nextbar.train(trained / "corpus", tmp_path / "run", **QUICK)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


# -------------------------------------------------------------------------------------- evaluate


def test_generated_pieces_are_measured_beside_the_corpus_of_their_run(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path, pieces=3, bars=3, from_bar="held-out", wav=False)
    report = nextbar.evaluate(tmp_path)
    assert report.n_generated == 3
    assert report.bars_per_piece == 4
    assert {"generated", "reference", "chance"} <= report.measures["scale_consistency"].keys()
    # All tunes are in C major.
    assert report.measures["scale_consistency"]["reference"].mean == pytest.approx(100)


def test_any_folder_of_midi_can_be_measured_without_a_reference(trained):
    report = nextbar.evaluate(trained / "tunes")
    assert report.bars_per_piece == 6
    assert "reference" not in report.measures["scale_consistency"]
    assert any("no real music to compare" in note for note in report.notes)


def test_files_that_cannot_be_read_are_named_and_lengths_are_made_equal(trained, tmp_path):
    write_tune(tmp_path / "long.mid", n_bars=9)
    write_tune(tmp_path / "short.mid", n_bars=4, seed=1)
    (tmp_path / "broken.mid").write_bytes(b"nothing")
    report = nextbar.evaluate(tmp_path, reference=trained / "corpus")
    assert (report.n_generated, report.bars_per_piece) == (2, 4)
    assert any(note.startswith("left out: broken.mid") for note in report.notes)
    assert any("the first 4 bars were measured" in note for note in report.notes)


def test_pieces_longer_than_real_tunes_are_measured_as_far_as_those_go(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path, pieces=3, bars=16, wav=False, pictures=False)
    report = nextbar.evaluate(tmp_path)
    assert report.bars_per_piece == 6  # the tunes have 6 bars
    assert report.n_reference == 2


def test_a_piece_that_was_written_silent_is_measured_as_silence(trained, tmp_path):
    nextbar.generate(
        trained / "run", tmp_path, pieces=3, bars=4, threshold=1.0, wav=False, pictures=False
    )
    report = nextbar.evaluate(tmp_path)
    assert report.n_generated == 3
    assert report.measures["empty_bars"]["generated"].mean == 100
    assert report.measures["notes"]["generated"].mean == 0


def test_one_short_piece_is_left_out_rather_than_cutting_all_to_its_length(tmp_path):
    for number in range(5):
        write_tune(tmp_path / f"{number}.mid", n_bars=6, seed=number)
    write_tune(tmp_path / "short.mid", n_bars=1, seed=9)
    report = nextbar.evaluate(tmp_path)
    assert (report.n_generated, report.bars_per_piece, report.n_left_out) == (5, 6, 1)
    assert any("1 of 6 pieces are shorter than 6 bars and were left out" in n for n in report.notes)
    report = nextbar.evaluate(tmp_path, bars=4)
    assert (report.n_generated, report.bars_per_piece, report.n_left_out) == (6, 4, 0)
    assert any("1 pieces of fewer bars were taken to end in silence" in n for n in report.notes)
    # 5 of 24 bars: the short piece's second to fourth are empty.
    assert report.measures["empty_bars"]["generated"].mean == pytest.approx(100 * 3 / 24)
    with pytest.raises(UsageError, match="bars: 0 is not 1 or more"):
        nextbar.evaluate(tmp_path, bars=0)


def test_a_folder_of_midi_can_be_the_real_music(trained, tmp_path):
    report = nextbar.evaluate(
        trained / "tunes", reference=trained / "tunes", training=trained / "corpus"
    )
    for name in ("notes", "uniqueness", "coherence"):
        columns = report.measures[name]
        assert columns["reference"].mean == pytest.approx(columns["generated"].mean), name
    assert report.measures["overlap_transitions"]["generated"].mean == pytest.approx(100)
    assert report.measures["copied_bars"]["generated"].mean > 50  # most are training tunes
    with pytest.raises(UsageError, match="there is no such corpus or folder; give --reference"):
        nextbar.evaluate(trained / "tunes", reference=tmp_path / "nowhere")


def test_copies_are_looked_for_in_the_training_tunes_each_by_itself(trained):
    corpus = Corpus.open(trained / "corpus")
    bars = TrainingBars.of_corpus(corpus)
    tunes = pieces_of_corpus(corpus, "training")
    again = TrainingBars.of_pieces(tunes, n_steps=corpus.n_steps)
    assert all(map(np.array_equal, bars.bars, again.bars))
    assert bars.n_bars.tolist() == [tune.n_bars for tune in tunes]


def test_bars_of_another_kind_are_not_compared(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path / "m", pieces=2, bars=3, wav=False, pictures=False)
    nextbar.prepare(trained / "tunes", tmp_path / "seconds", grid="seconds", page=False)
    with pytest.raises(UsageError, match="of 2 seconds in 16 steps, those of the pieces of 4"):
        nextbar.evaluate(tmp_path / "m", reference=tmp_path / "seconds")
    with pytest.raises(UsageError, match="training: its bars are of 2 seconds"):
        nextbar.evaluate(tmp_path / "m", training=tmp_path / "seconds")


def test_few_pieces_and_unreadable_ones_are_said_and_counted(trained, tmp_path):
    write_tune(tmp_path / "one.mid", n_bars=4)
    (tmp_path / "broken.mid").write_bytes(b"nothing")
    (tmp_path / "empty.mid").write_bytes(b"")
    report = nextbar.evaluate(tmp_path, reference=trained / "corpus", out=tmp_path / "report")
    assert report.n_left_out == 2
    assert json.loads((tmp_path / "report" / "report.json").read_text())["n_left_out"] == 2
    assert sum(note.startswith("left out: ") for note in report.notes) == 2
    assert any("generated: only 1 pieces; with fewer than 30" in note for note in report.notes)
    (tmp_path / "one.mid").unlink()
    with pytest.raises(UsageError, match="none of its 2 files can be used"):
        nextbar.evaluate(tmp_path)


def test_networks_are_asked_only_where_wanted(trained):
    report = nextbar.evaluate(trained / "tunes")
    assert "told_from_real" not in report.measures
    report = nextbar.evaluate(trained / "tunes", reference=trained / "tunes", classifiers=True)
    columns = report.measures["told_from_real"]
    assert columns.keys() == {"generated", "reference"}
    assert math.isnan(columns["generated"].mean)
    few = "told_from_real: too few to tell: 12 pieces, of 1,000 that a network needs"
    assert any(note.startswith(few) for note in report.notes)
    # Half of twelve tunes cannot be split in three.
    assert math.isnan(report.measures["told_from_real"]["reference"].mean)
    assert any("the networks: too few pieces or tunes" in note for note in report.notes)


@pytest.mark.parametrize(
    ("start", "which"), [("held-out", "2 held-out tunes"), ("training", "12 tunes of the ref")]
)
def test_next_bars_are_compared_with_those_of_the_tunes_that_the_given_bars_are_from(
    trained, tmp_path, start, which
):
    nextbar.generate(
        trained / "run", tmp_path, pieces=2, bars=2, from_bar=start, wav=False, pictures=False
    )
    report = nextbar.evaluate(tmp_path, classifiers=True)
    assert "next_bar_told_from_real" in report.measures
    assert any(f"the real pairs are of the {which}" in note for note in report.notes)


def test_a_folder_without_midi_or_none_at_all_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no MIDI or ABC files in it"):
        nextbar.evaluate(tmp_path)
    with pytest.raises(UsageError, match="there is no such folder"):
        nextbar.evaluate(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("no folder")
    with pytest.raises(UsageError, match="is a file; give a folder of MIDI files"):
        nextbar.evaluate(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="is a file; give --reference another"):
        nextbar.evaluate(tmp_path, reference=tmp_path / "a.txt")


def test_inspecting_anything_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is neither; give a corpus"):
        nextbar.inspect(tmp_path)
    with pytest.raises(UsageError, match="does not exist; give a corpus"):
        nextbar.inspect(tmp_path / "nowhere")


def test_a_damaged_checkpoint_is_said_and_not_shown_as_an_untrained_run(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    (tmp_path / "run" / WEIGHTS).write_bytes(b"half")
    with pytest.raises(RunError, match="truncated or no checkpoint"):
        nextbar.inspect(tmp_path / "run")
    (tmp_path / "run" / WEIGHTS).unlink()
    assert nextbar.inspect(tmp_path / "run")["epoch"] == 0


def test_a_report_says_why_the_corpus_of_the_run_is_not_beside_it(trained, tmp_path):
    nextbar.generate(trained / "run", tmp_path, pieces=2, bars=3, wav=False, pictures=False)
    record = tmp_path / "generated.json"
    here = json.dumps(str((trained / "corpus").resolve()))
    record.write_text(record.read_text().replace(here, '"/nowhere/corpus"'))
    (note,) = [n for n in nextbar.evaluate(tmp_path).notes if "no real music to compare" in n]
    assert "/nowhere/corpus does not exist" in note


def test_moving_a_run_elsewhere_keeps_it_usable(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "elsewhere")
    here = nextbar.load(trained / "run").generate(bars=2, seed=3)
    there = nextbar.load(tmp_path / "elsewhere").generate(bars=2, seed=3)
    assert here.dumps_midi() == there.dumps_midi()
    assert Path(tmp_path / "elsewhere" / "run.json").is_file()


# ------------------------------------------------------------------------------------ common key


@pytest.fixture(scope="module")
def in_common_key(trained, tmp_path_factory):
    """Tunes in D major, and a model of them in C major that sounds."""
    place = tmp_path_factory.mktemp("common_key")
    for path in sorted((trained / "tunes").iterdir()):
        score = symusic.Score(str(path)).shift_pitch(2)
        (place / "tunes").mkdir(exist_ok=True)
        (place / "tunes" / path.name).write_bytes(score.dumps_midi())
    corpus = nextbar.prepare(
        place / "tunes", place / "corpus", common_key=True, onsets=False, page=False
    )
    nextbar.train(corpus, place / "run", **QUICK)
    return place, let_it_sound(nextbar.load(place / "run"))


def test_a_corpus_in_a_common_key_holds_the_tunes_transposed(in_common_key):
    corpus = nextbar.Corpus.open(in_common_key[0] / "corpus")
    pitches = corpus.notes(0, corpus.n_bars)["pitch"] % 12
    assert set(pitches.tolist()) <= {0, 2, 4, 5, 7, 9, 11}
    assert corpus.kind.common_key


def test_a_users_file_keeps_its_key_whatever_key_the_model_writes_in(in_common_key):
    place, composer = in_common_key
    tune = place / "tunes" / "tune02.mid"
    in_d = nextbar.begin_from(composer, f"{tune}:3")
    assert in_d.transposed == -2
    (written,) = composer.compose([in_d], bars=2, seeds=[0])
    given = written.notes[written.notes["start"] < 48]
    assert sorted(given["pitch"].tolist()) == sorted(in_d.notes["pitch"].tolist())
    # What the model wrote in C stands two semitones higher behind the tune in D.
    in_c = nextbar.Beginning(in_d.notes, in_d.metres, in_d.rolls, in_d.name, 0)
    (untransposed,) = composer.compose([in_c], bars=2, seeds=[0])
    ours, theirs = (x.notes[x.notes["start"] >= 48]["pitch"] for x in (written, untransposed))
    n = min(len(ours), len(theirs))
    assert n > 0
    assert set(ours.tolist()) == {p + 2 for p in theirs.tolist() if p + 2 <= 108}


def test_a_piece_is_written_as_closely_to_the_bars_before_as_is_asked_for(trained, tmp_path):
    run = trained / "run"
    options = {"pieces": 1, "bars": 2, "wav": False, "pictures": False}
    (followed,) = nextbar.generate(run, tmp_path, **options)
    (half,) = nextbar.generate(run, tmp_path, follow=0.5, **options)
    assert (followed.name, half.name) == (
        "noise-2bars-seed0.mid",
        "noise-2bars-follow0.5-seed0.mid",
    )
    record = json.loads((tmp_path / "generated.json").read_text())
    assert "--follow 0.5" in json.dumps(record)
    with pytest.raises(UsageError, match="follow: 2 is not between 0 and 1"):
        nextbar.generate(run, tmp_path, follow=2, **options)


def test_the_temperature_is_what_the_run_says_where_none_is_given():
    model = nextbar.load()
    assert model.sampling.temperature == 0.95, "what the default preset says"
    assert nextbar.PRESETS["paper"].sampling.temperature == 1, "the paper's"
    assert model.generate(bars=2, seed=3) == model.generate(bars=2, seed=3, temperature=0.95)
    assert model.generate(bars=2, seed=3) != model.generate(bars=2, seed=3, temperature=1.0)
