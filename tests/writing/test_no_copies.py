"""Writing without copies. What is written is read back with mido, and compared in plain Python."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import mido
import numpy as np
import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import CopiedError, RunError, UsageError
from nextbar.frames.config import Sampling
from nextbar.measures.fingerprints import FILE, Fingerprints
from nextbar.music.bars import read_rolls
from nextbar.music.score import write_midi
from nextbar.shipped import FOLDER as SHIPPED
from nextbar.writing.bar_by_bar import write_bars, write_candidates
from nextbar.writing.folder import RECORD
from nextbar.writing.no_copies import NoCopies, again, first_new, write_new_bars
from nextbar.writing.piece import MOST_DRAWS, Before, Draw
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

N_TUNES, N_BARS = 12, 6
METRE = (2, 4)


def bars_of_midi(path):
    """(metre, sorted notes, lowest pitch 0) of each bar, and sounding pairs, by mido alone."""
    file = mido.MidiFile(path)
    metre, now, sounding, notes, end = None, 0, defaultdict(list), [], 0
    for message in mido.merge_tracks(file.tracks):
        now += message.time
        if message.type == "time_signature":
            assert metre in (None, (message.numerator, message.denominator))
            metre = (message.numerator, message.denominator)
        elif message.type == "note_on" and message.velocity:
            sounding[message.note].append(now)
        elif message.type in ("note_on", "note_off"):
            notes.append((sounding[message.note].pop(0), now, message.note))
        end = now
    step = file.ticks_per_beat / 4
    width = 16 * metre[0] // metre[1]
    bars = [set() for _ in range(max(1, round(end / step) // width + 1))]
    for begin, stop, pitch in notes:
        begin, stop = round(begin / step), round(stop / step)
        for bar in range(begin // width, (stop - 1) // width + 1):
            first, last = max(begin, bar * width), min(stop, (bar + 1) * width)
            bars[bar].add((first - bar * width, last - first, pitch))
    return metre, bars


def in_any_key(metre, *bars):
    """The bars as something that is equal wherever they are equal but for one transposition."""
    lowest = min((pitch for bar in bars for _, _, pitch in bar), default=0)
    return metre, tuple(frozenset((s, d, p - lowest) for s, d, p in bar) for bar in bars)


def contents(paths):
    """The bars and the phrases of files, those that are silence or one note each left out."""
    bars, phrases = [], []
    for path in paths:
        metre, found = bars_of_midi(path)
        bars += [in_any_key(metre, bar) for bar in found if len(bar) > 1]
        pairs = pairwise(found)
        phrases += [in_any_key(metre, a, b) for a, b in pairs if len(a) > 1 or len(b) > 1]
    return bars, phrases


@pytest.fixture(scope="module")
def model():
    return nextbar.load()


@pytest.fixture(scope="module")
def learned(model, tmp_path_factory):
    """A corpus whose tunes are what the model writes by itself: every first draw is a copy."""
    place = tmp_path_factory.mktemp("learned")
    pieces = model.compose([None] * N_TUNES, bars=N_BARS, seeds=range(N_TUNES), metre=METRE)
    for piece in pieces:
        write_midi(model.to_score(piece, "x"), place / "tunes" / f"{piece.seed:02}.mid", n_bars=6)
    corpus = nextbar.prepare(place / "tunes", place / "corpus", workers=1, page=False)
    training = sorted((place / "tunes").iterdir())
    return corpus, [path for nth, path in enumerate(training) if nth % 10]  # every tenth held out


def compose(model, learned, **more):
    no_copies = NoCopies(Fingerprints.of_corpus(learned[0]), more.pop("strictness", 1))
    seeds = [1, 2, 3]
    return model.compose(
        [None] * 3, bars=N_BARS, seeds=seeds, metre=METRE, no_copies=no_copies, **more
    )


def write(model, pieces, folder):
    paths = [folder / f"{piece.seed}.mid" for piece in pieces]
    for piece, path in zip(pieces, paths, strict=True):
        write_midi(model.to_score(piece, "x"), path, n_bars=piece.n_bars)
    return paths


@pytest.mark.parametrize("temperature", [0.0, 0.95, 1.5])
def test_no_bar_and_no_phrase_is_a_training_tune_s_at_any_temperature(
    model, learned, tmp_path, temperature
):
    sampling = replace(model.sampling, temperature=temperature)
    pieces = compose(model, learned, sampling=sampling)
    assert all(piece.check.is_passed for piece in pieces)
    bars, phrases = contents(learned[1])
    ours, our_phrases = contents(write(model, pieces, tmp_path))
    assert len(ours) > 10, "most bars have two notes or more"
    assert not {*bars} & {*ours}
    assert not {*phrases} & {*our_phrases}
    if temperature == 0.95:  # what was learned was drawn so: every first bar had to go
        assert all(piece.check.n_again for piece in pieces)


def test_without_it_the_same_seeds_give_copies(model, learned, tmp_path):
    pieces = model.compose([None] * 3, bars=N_BARS, seeds=[1, 2, 3], metre=METRE)
    bars, phrases = contents(learned[1])
    ours, our_phrases = contents(write(model, pieces, tmp_path))
    assert {*ours} <= {*bars}
    assert {*our_phrases} <= {*phrases}
    no_copies = NoCopies(Fingerprints.of_corpus(learned[0]))
    verdicts = no_copies.verdicts_on(pieces[0], model.kind)
    assert verdicts.n_copies
    assert any(verdicts.phrases)
    assert not verdicts.phrases[0], "the first bar has none before it"


def test_one_seed_decides_and_what_is_no_copy_stays_as_it_was(model, learned):
    alone = NoCopies(Fingerprints.of_corpus(learned[0]))
    (one,) = model.compose([None], bars=N_BARS, seeds=[2], metre=METRE, no_copies=alone)
    among = compose(model, learned)[1]
    np.testing.assert_array_equal(one.notes, among.notes)
    assert one.check == among.check
    seeds = [50]  # nothing of it was learned from
    (free,) = model.compose([None], bars=4, seeds=seeds, metre=METRE)
    (held,) = model.compose([None], bars=4, seeds=seeds, metre=METRE, no_copies=alone)
    if not held.check.n_again:
        np.testing.assert_array_equal(free.notes, held.notes)


def test_a_draw_that_was_found_gives_its_bar_again_without_fingerprints(model, learned):
    no_copies = NoCopies(Fingerprints.of_corpus(learned[0]))
    draws = [Draw(seed, 0, model.sampling, METRE) for seed in range(1, 4)]
    found = write_new_bars(model, [None] * 3, draws, no_copies)
    assert all(new.draw != draw for new, draw in zip(found, draws, strict=True))
    for new in found:
        (again_written,) = write_bars(model, [None], [new.draw])
        np.testing.assert_array_equal(again_written.roll, new.bar.roll)


def test_of_the_bars_that_are_chosen_among_the_first_is_taken_that_is_no_copy(model, learned):
    known = Fingerprints.of_corpus(learned[0])
    assert model.sampling.choose
    for seed in range(1, 6):
        draw = Draw(seed, 0, model.sampling, METRE)
        bars = write_candidates(model, None, draw)
        for rank in (0, 7, 15):
            (by_rank,) = write_bars(model, [None], [replace(draw, rank=rank)])
            np.testing.assert_array_equal(by_rank.roll, bars[rank].roll)
        verdicts = [first_verdict(NoCopies(known), model, bar) for bar in bars]
        assert verdicts[0] == "copy", "the tunes are what is written without this"
        expected = next(nth for nth, verdict in enumerate(verdicts) if verdict != "copy")
        found = first_new(model, None, draw, NoCopies(known))
        assert found.draw == replace(draw, rank=expected)
        np.testing.assert_array_equal(found.bar.roll, bars[expected].roll)


def test_where_all_that_are_chosen_among_are_copies_sixteen_warmer_ones_are_drawn(
    model, monkeypatch
):
    groups = []

    def noted(composer, before, draw, *args, **kwargs):
        groups.append((draw.attempt, draw.sampling.temperature))
        return write_candidates(composer, before, draw, *args, **kwargs)

    monkeypatch.setattr("nextbar.writing.no_copies.write_candidates", noted)
    monkeypatch.setattr(Fingerprints, "_verdict", lambda *_: "copy")
    draw = Draw(1, 0, replace(model.sampling, temperature=1.0), METRE)
    (found,) = write_new_bars(model, [None], [draw], model.no_copies())
    assert groups == [(0, 1.0), (16, 1.25), (32, 1.5), (48, 1.75)]
    assert found.bar is None
    assert found.draw.attempt + found.draw.rank == 63, "the last of 64"


def first_verdict(no_copies, model, bar):
    heard, index = read_rolls(bar.roll[None], model.kind.starts_of([bar.metre]))
    heard["velocity"] = 127
    return no_copies.verdicts(heard, index, [bar.metre], [1], model.kind).bars[0]


def test_a_phrase_is_not_made_of_free_bars_nor_with_the_bar_that_was_given(model, learned):
    """No bar is known here, as if all were common, but their phrases are."""
    known, none = Fingerprints.of_corpus(learned[0]), np.zeros(0, np.uint64)
    no_copies = NoCopies(replace(known, bars=none, near=none))
    (free,) = model.compose([None], bars=N_BARS, seeds=[1], metre=METRE)
    (held,) = model.compose([None], bars=N_BARS, seeds=[1], metre=METRE, no_copies=no_copies)
    assert any(no_copies.verdicts_on(free, model.kind).phrases)
    assert not any(no_copies.verdicts_on(held, model.kind).phrases)
    first = write_bars(model, [None], [Draw(1, 0, model.sampling, METRE)])[0]
    given = Before(first.roll[None], (METRE,))
    draw = Draw(1, 1, model.sampling, METRE)  # the second bar of that tune, behind its first
    (alone,) = write_new_bars(model, [None], [draw], no_copies)
    (behind,) = write_new_bars(model, [given], [draw], no_copies)
    assert alone.draw == draw
    assert behind.draw != draw


def test_the_temperature_rises_after_sixteen_draws_and_without_any_at_once():
    warm, cold = Draw(0, 0, Sampling(temperature=1.0)), Draw(0, 0, Sampling(temperature=0.0))
    temperatures = [again(warm, n).sampling.temperature for n in (0, 15, 16, 31, 32, 63)]
    assert temperatures == [1, 1, 1.25, 1.25, 1.5, 1.75]
    assert [again(cold, n).sampling.temperature for n in (0, 1, 16, 17)] == [0, 0.25, 0.25, 0.5]
    assert again(warm, MOST_DRAWS) is None


def test_what_cannot_be_written_is_said_and_not_given_out(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Fingerprints, "_verdict", lambda *_: "copy")
    monkeypatch.setattr("nextbar.writing.no_copies.DRAWS_AS_WARM", 64)
    no_copies = model.no_copies()
    plain = replace(model.sampling, choose=0)
    how = {"metre": METRE, "sampling": plain, "no_copies": no_copies}
    (piece,) = model.compose([None], bars=2, seeds=[1], **how)
    assert not piece.check.is_passed
    assert (piece.n_bars, piece.check.stuck_at) == (0, 1), "it ends before that bar"
    with pytest.raises(CopiedError, match="seed 1: every draw of bar 1 was a copy"):
        model.generate(bars=1, seed=1, choose=0, no_copies=True)
    words = ["generate", "--out", str(tmp_path), "--no-copies", "--pieces", "1", "--bars", "1"]
    assert main([*words, "--choose", "0", "--no-wav", "--no-pictures"]) == 1
    assert "1 of 1 pieces were left out" in " ".join(capsys.readouterr().err.split())
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["pieces"] == {}
    (left_out,) = record["left_out"].values()
    assert left_out["why"].startswith("every draw of bar")
    assert not [*tmp_path.glob("*.mid")]


def test_a_folder_says_that_its_pieces_passed_and_verify_finds_it_so(tmp_path, capsys):
    out, words = str(tmp_path), ["--pieces", "2", "--bars", "4", "--no-wav", "--no-pictures"]
    assert main(["generate", "--out", out, *words, "--no-copies", "--strictness", "2"]) == 0
    record = json.loads((tmp_path / RECORD).read_text())
    for name, piece in record["pieces"].items():
        assert "nocopies2" in name
        assert piece["no_copies"]["passed"]
        assert piece["no_copies"]["strictness"] == 2
        assert "--no-copies --strictness 2" in piece["command"]
        assert "nearest" not in piece, "the tunes are not at hand"
    capsys.readouterr()
    assert main(["verify", out, "--strictness", "2", "--json"]) == 0
    certificate = json.loads(capsys.readouterr().out)
    assert certificate["passed"]
    assert [len(each["bars"]) for each in certificate["files"]] == [4, 4]


def test_verify_finds_the_copies_of_a_file_and_where_they_are_from(learned, tmp_path, capsys):
    corpus, training = learned
    assert main(["verify", str(training[0]), "--training", str(corpus.path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["files"][0]
    assert not found["passed"]
    _, bars = bars_of_midi(training[0])
    sounding = [nth for nth, bar in enumerate(bars, 1) if len(bar) > 1]
    copies = [nth for nth, bar in enumerate(found["bars"], 1) if bar["verdict"] == "copy"]
    assert copies == sounding
    assert found["bars"][copies[0] - 1]["nearest"]["nearness"] == 1
    assert main(["verify", str(training[0]), "--training", str(corpus.path)]) == 1
    assert "COPIES" in capsys.readouterr().out
    missing = str(tmp_path / "none.mid")
    assert main(["verify", missing]) == 1
    assert "there is no such file" in capsys.readouterr().out
    assert main(["verify", str(training[0]), "--training", missing]) == 2


def test_what_makes_no_sense_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match="strictness: 3 is not 1"):
        model.no_copies(3)
    with pytest.raises(UsageError, match="give --no-copies too"):
        nextbar.generate(model, tmp_path, strictness=2)
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in SHIPPED.iterdir():
        if path.name != FILE and path.is_file():
            (bare / path.name).write_bytes(path.read_bytes())
    with pytest.raises(RunError, match="it came without fingerprints"):
        nextbar.load(bare).no_copies()
    (bare / FILE).write_bytes(b"nonsense")
    with pytest.raises(RunError, match="is damaged"):
        nextbar.load(bare).no_copies()


@pytest.mark.slow
def test_of_ten_thousand_bars_none_is_a_training_bar(model, tmp_path):
    """Beside the tunes that the model was trained on, which music21 brings along."""
    pytest.importorskip("music21")
    corpus = nextbar.prepare("music21:ryansMammoth", tmp_path / "corpus", page=False)
    if corpus.fingerprint != model.origin["corpus"]["fingerprint"]:
        pytest.skip("this music21 has other tunes than those that were trained on")
    tunes_with, phrases_with = defaultdict(set), defaultdict(set)
    for tune in corpus.pieces("training").tolist():
        bars, metres = [], []
        for bar in corpus.bars_of(tune):
            rows = corpus.bar_notes[corpus.bar_index[bar] : corpus.bar_index[bar + 1]]
            bars.append({(int(r["start"]), int(r["duration"]), int(r["pitch"])) for r in rows})
            metres.append(corpus.metres[corpus.bar_metres[bar]])
        for bar, metre in zip(bars, metres, strict=True):
            tunes_with[in_any_key(metre, bar)].add(tune)
        for nth in range(len(bars) - 1):
            if metres[nth] == metres[nth + 1]:
                phrases_with[in_any_key(metres[nth], *bars[nth : nth + 2])].add(tune)
    n_bars, copied, phrases = 0, 0, 0
    for metre, seeds in ((METRE, range(320)), ((6, 8), range(320, 640))):
        pieces = model.compose(
            [None] * len(seeds), bars=16, seeds=seeds, metre=metre, no_copies=model.no_copies()
        )
        assert all(piece.check.is_passed for piece in pieces)
        paths = write(model, pieces, tmp_path / "written")
        ours, our_phrases = contents(paths)
        n_bars += sum(piece.n_bars for piece in pieces)
        copied += sum(0 < len(tunes_with[bar]) < 10 for bar in ours)
        phrases += sum(0 < len(phrases_with[phrase]) < 10 for phrase in our_phrases)
    assert n_bars >= 10_000
    assert (copied, phrases) == (0, 0)


def test_a_sketch_that_is_asked_for_no_copies_has_the_bars_of_the_piece_that_is(model, learned):
    no_copies = NoCopies(Fingerprints.of_corpus(learned[0]))
    bench = Workbench(model)
    how = {"seed": 2, "sampling": model.sampling}
    *_, (sketch, _) = bench.compose(
        bench.begin(), bars=N_BARS, metre=METRE, no_copies=no_copies, **how
    )
    expected = compose(model, learned)[1]
    assert bench.composition(sketch).notes.tolist() == expected.notes.tolist()
    assert any(recipe.attempt or recipe.rank for recipe in sketch.made.values())
    again_opened = Sketch.from_json(json.loads(json.dumps(sketch.to_json())))
    fresh = Workbench(model).composition(again_opened)  # it needs no fingerprints
    assert fresh.notes.tolist() == expected.notes.tolist()


def test_a_bar_rolled_between_others_makes_no_phrase_of_a_tune_with_either(model, learned):
    no_copies = NoCopies(Fingerprints.of_corpus(learned[0]))
    bench = Workbench(model)
    how = {"sampling": replace(model.sampling, repeat=0)}  # as one bar is rolled again alone
    *_, (copied, _) = bench.compose(bench.begin(), bars=N_BARS, seed=1, metre=METRE, **how)
    ((rolled, _),) = bench.fill(copied, bars=[2], seed=1, no_copies=no_copies, **how)
    verdicts = no_copies.verdicts_on(bench.composition(rolled), model.kind)
    assert verdicts.bars[2] not in ("copy", "near")
    assert not verdicts.phrases[2]
    assert not verdicts.phrases[3]
    # The last bar drawn again by its own seed is the same bar, a copy; with no copies another.
    last = copied.cut(3)
    ((same, _),) = bench.fill(last, bars=[2], seed=1, **how)
    assert same.bars == last.bars
    ((new, change),) = bench.fill(last, bars=[2], seed=1, no_copies=no_copies, **how)
    assert change.recipe.attempt or change.recipe.rank
    assert no_copies.verdicts_on(bench.composition(new), model.kind).bars[2] not in ("copy", "near")
    others = bench.alternatives(last, bar=2, seeds=range(1, 4), no_copies=no_copies, **how)
    assert others[0].name == change.name
    for each in others:
        piece = bench.composition(last.with_bar(2, each.recipe))
        assert no_copies.verdicts_on(piece, model.kind).bars[2] not in ("copy", "near")


def test_a_sketch_ends_before_a_bar_of_which_all_draws_are_copies(model, monkeypatch):
    monkeypatch.setattr(Fingerprints, "_verdict", lambda *_: "copy")
    bench = Workbench(model)
    with pytest.raises(CopiedError, match=r"bar 1: all 64 draws were copies .*; choose another"):
        next(
            bench.compose(
                bench.begin(),
                bars=1,
                seed=1,
                sampling=replace(model.sampling, choose=0),
                no_copies=model.no_copies(),
            )
        )
