"""The peers of docs/peers.md run as it has them, each measured on what it drew."""

import argparse
import importlib
import json
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from scipy.io import savemat

import nextbar

from .fixtures import write_tunes

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"
DOCUMENT = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
SMALLER = {"polyphony": "--temperatures 2", "trial": ""}
TOGETHER = {"polyphony", "trial"}
COMMANDS = {
    Path(words[1]).stem: words[1:]
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    for line in block.splitlines()
    if (words := shlex.split(line)) and words[0] == "python"
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small corpus of quarter notes in C, and small rolls in a FILE.mat."""
    place = tmp_path_factory.mktemp("peers")
    nextbar.prepare(write_tunes(place / "tunes"), place / "corpus", grid="seconds", track=1)
    rolls = np.empty((1, 2), object)
    rolls[0, :] = [np.eye(88)[np.arange(30, 60)], np.eye(88)[np.arange(40, 60)]]
    savemat(place / "FILE.mat", {f"{part}data": rolls for part in ("train", "valid", "test")})
    return place


@pytest.fixture(autouse=True)
def threads_and_path_as_before(monkeypatch):
    """Peers compute in one thread, and import each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.syspath_prepend(str(PEERS))
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(before)


def names_in(name):
    return runpy.run_path(str(PEERS / f"{name}.py"))


def test_each_peer_has_its_command_in_the_document():
    assert {path.stem for path in PEERS.glob("*.py")} == set(COMMANDS)


@pytest.mark.trains
@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"trial"}))
def test_a_peer_trains_writes_and_ends_in_finite_figures(name, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    small = SMALLER.get(name, f"--pieces 4 --out peers/{name}")
    words = [*COMMANDS[name], "--minutes", "0.0001", *shlex.split(small)]
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    *table, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last, parse_constant=pytest.fail)
    assert len(table) >= 3
    assert figures["updates"] >= 1
    if name == "polyphony":
        assert all(each["mean"] > 0 for each in figures["nats a step"].values())
        return
    assert len(list((place / "peers" / name).glob("*.mid"))) == figures["pieces"] == 4
    lines = names_in("trial")["table_of"](place / "peers")
    assert f" {figures['benchmark']} |" in lines[0]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}


def test_the_partition_function_of_an_rbm_is_the_sum_over_all_its_states():
    torch.manual_seed(0)
    model = names_in("rnn_rbm")["RnnRbm"](5, hidden=4, recurrent=3)
    with torch.no_grad():
        model.weights.mul_(100)  # of deviation 1, so that rows and hidden units depend
    of_rows, of_hidden = torch.randn(2, 5), torch.randn(2, 4)
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)  # 2^5 of them
    estimates = model.log_partition(of_rows, of_hidden, temperatures=100, chains=500)
    for nth in range(2):
        biases = [each[nth : nth + 1].expand(32, -1) for each in (of_rows, of_hidden)]
        exact = torch.logsumexp(-model.free_energy(states, *biases), dim=0)
        assert estimates[nth].item() == pytest.approx(exact.item(), abs=0.05)


def test_an_rnn_rbm_knows_of_a_step_only_those_before_it():
    model = names_in("rnn_rbm")["RnnRbm"](5)
    torch.nn.init.normal_(model.to_rows.weight)
    torch.nn.init.normal_(model.to_hidden.weight)
    lines = torch.zeros(1, 4, 5)
    other = lines.clone()
    other[0, 2] = 1
    for here, there in zip(model.biases(lines), model.biases(other), strict=True):
        assert (here == there).all(dim=1).tolist() == [True, True, True, False]


@pytest.mark.trains
def test_an_rnn_rbm_that_learns_finds_likelier_what_it_has_heard():
    peer, trial = names_in("rnn_rbm"), names_in("trial")
    torch.manual_seed(0)
    lines = [torch.eye(4).repeat(25, 1)]  # rows 0, 1, 2, 3, again and again
    model = peer["RnnRbm"](4, hidden=8, recurrent=16)
    model.begin_as(lines)
    before = model.nats(lines, 50).mean()
    for _ in peer["fit"](model, lines, trial["Clock"](0.05), rate=0.02):
        pass
    # All rows are equally frequent: the rest, a row's biases alone, is 4 H(1/4) = 2.25 nats.
    assert before == pytest.approx(2.25, abs=0.2)
    assert model.nats(lines, 50).mean() < 1.0


def test_what_stands_behind_the_end_of_a_line_teaches_nothing():
    model = names_in("rnn_rbm")["RnnRbm"](5)
    torch.manual_seed(0)
    lines = torch.bernoulli(torch.full((1, 4, 5), 0.5))
    behind = torch.cat([lines, torch.full((1, 3, 5), -1.0)], dim=1)
    losses = []
    for each in (lines, behind):
        torch.manual_seed(1)  # the same draws
        losses.append(model.loss(each, 1).item())
    assert losses[0] == pytest.approx(losses[1])


def test_midinet_s_bars_have_one_row_a_step_the_highest_or_none():
    rolls = torch.zeros(1, 3, 2)
    rolls[0, [0, 2], 0] = 1  # rows 0 and 2 in the first step, silence in the second
    columns = names_in("midinet")["one_hot"](rolls)[0].T.tolist()
    assert columns == [[0, 0, 1, 0], [0, 0, 0, 1]]


def test_a_critic_of_slope_one_pays_no_penalty():
    class Verdict:
        def __init__(self, logits):
            self.logits = logits

    wgan = names_in("wgan")
    real, fake = torch.rand(2, 1, 2, 2), torch.rand(2, 1, 2, 2)
    # Half the sum of 4 cells: each slope is 0.5, their length sqrt(4 * 0.25) = 1; of the sum, 2.
    for factor, penalty in ((0.5, 0), (1, 1)):
        critic = lambda x, by=factor: Verdict(by * x.sum(dim=(1, 2, 3)))  # noqa: E731
        assert wgan["slope_penalty"](critic, real, fake).item() == pytest.approx(penalty)


def test_a_peer_s_pieces_are_the_rolls_that_it_drew_silent_ones_too(place, tmp_path):
    trial = names_in("trial")
    corpus = nextbar.Corpus.open(place / "corpus")
    tunes = trial["Tunes"](corpus, 39, 12)
    rolls = torch.zeros(2, 5, 12, 16)
    rolls[0, 1, 4, :8] = 1  # row 39 + 4, pitch 21 + 43 = 64, from the second bar's first step on
    trial["write_pieces"](tmp_path, tunes, rolls, 1)
    played = [m for m in mido.MidiFile(tmp_path / "piece-0000.mid") if m.type == "note_on"]
    assert [message.note for message in played if message.velocity] == [64]
    assert played[0].velocity == 80
    report = nextbar.evaluate(tmp_path, reference=place / "corpus", bars=5)
    assert report.n_generated == 2
    # One of 10 bars sounds; the record says of each piece that one was given.
    assert report.measures["empty_bars"]["generated"].mean == pytest.approx(90)
    made = json.loads((tmp_path / "generated.json").read_text())["pieces"].values()
    assert [piece["given_bars"] for piece in made] == [1, 1]


def test_a_second_run_of_all_peers_trains_those_alone_that_have_no_figures_of_its_budget(
    place, tmp_path, monkeypatch, capsys
):
    trial = importlib.import_module("trial")
    assert {*trial.PEERS} == {path.stem for path in PEERS.glob("*.py")} - TOGETHER
    monkeypatch.setattr(trial, "PEERS", ["organ", "vae", "vrae"])
    chosen = argparse.Namespace(all=place / "corpus", minutes=2, pieces=4, seed=0)
    budget = trial.budget_of(chosen, nextbar.Corpus.open(chosen.all))
    for name, minutes in (("organ", 2), ("vae", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "figures.json").write_text(json.dumps(budget | {"minutes": minutes}))
    started = []
    monkeypatch.setattr(trial.subprocess, "run", lambda words, **_: started.append(words))
    trial.train_all(tmp_path, chosen)
    assert [Path(words[1]).stem for words in started] == ["vae", "vrae"]
    assert started[0][2:] == shlex.split(
        f"{place / 'corpus'} --out {tmp_path / 'vae'} --minutes 2 --pieces 4 --seed 0"
    )
    # 2 of 3 are left, of 2 minutes each.
    assert "vae: 2 of 3 left, at least 4 min" in capsys.readouterr().out


def test_notes_as_tokens_sound_as_the_tune_they_are_from(place):
    trial = importlib.import_module("trial")
    tunes = trial.Tunes(nextbar.Corpus.open(place / "corpus"), 0, 88)
    notes = trial.Notes(tunes)
    bars = notes.bars(notes.texts[0][None])[0]
    first = tunes.of("training")[0][:5]
    assert torch.equal(bars[: len(first)], first)


def test_the_notes_of_a_line_are_its_highest_rows_and_long_ones_are_cut():
    trial = importlib.import_module("trial")
    line = torch.zeros(8, 3)
    line[:5, 1] = 1
    line[:2, 2] = 1  # above it
    rows, steps, starts = trial.runs_of(line, longest=2)
    # Row 2 for 2 steps, row 1 for 3 as 2 and 1, then 3 silent ones as 2 and 1.
    assert rows.tolist() == [2, 1, 1, -1, -1]
    assert steps.tolist() == [2, 2, 1, 2, 1]
    assert starts.tolist() == [0, 2, 4, 5, 7]


def test_notes_of_four_numbers_sound_as_the_line_they_are_from():
    peer = names_in("c_rnn_gan")
    line = torch.zeros(9, 3)
    line[0:2, 1] = line[2:4, 0] = line[6:9, 2] = 1
    tuples = peer["tuples_of"](line)
    # Lengths 2, 2, 3; rows 1, 0, 2; 2 steps from the first to the second, 4 to the third.
    assert tuples.tolist() == [[2, 1, 1, 0], [2, 0, 1, 2], [3, 2, 1, 4]]
    assert torch.equal(peer["line_of"](tuples, 9, 3), line)


def test_a_token_s_reward_is_what_its_texts_end_in():
    peer = names_in("seqgan")
    torch.manual_seed(0)
    policy = peer["Generator"](2)
    texts = torch.tensor([[0, 0, 0], [1, 1, 1]])
    begun_with_1 = lambda drawn: drawn[:, 0].float()  # noqa: E731
    rewards = peer["rewards_of"](texts, policy, begun_with_1)
    assert rewards.tolist() == [[0, 0, 0], [1, 1, 1]]
    # Of texts that are all written, nothing is drawn any more.
    all_ones = lambda drawn: drawn.float().mean(dim=1)  # noqa: E731
    assert peer["rewards_of"](texts, policy, all_ones)[:, -1].tolist() == [0, 1]


def test_organ_rewards_fifths_and_steps_and_divides_for_what_it_has_twice():
    peer = names_in("organ")

    class Words:
        words = torch.tensor([[-1, 2], [0, 2], [7, 2], [9, 2]])

    texts = torch.tensor([[1, 2, 0, 3], [1, 3, 1, 3], [1, 3, 1, 3]])
    # Rows 0, 7, 9: a fifth and a step of 2 pairs, a mean of 1/2; 0, 9, 0, 9: neither.
    assert peer["objective"](Words(), texts).tolist() == [0.5, 0, 0]
    twice = torch.tensor([[1, 2, 0, 3]] * 2)
    assert peer["objective"](Words(), twice).tolist() == [0.25, 0.25]


def test_a_peer_s_nats_are_a_moving_average_of_its_losses_by_name():
    nats = names_in("trial")["Nats"]("cells", "kl")
    nats.add(torch.tensor(100.0), torch.tensor(20.0))
    assert nats.by_name() == {"cells": 5.0, "kl": 1.0}  # a twentieth each
    nats.add(torch.tensor(200.0), torch.tensor(0.0))
    assert nats.by_name() == {"cells": 14.75, "kl": 0.95}  # 19/20 of 5 and 10 more; of 1
    assert nats.by_name(5) == {"cells": 2.95, "kl": 0.19}


def test_vrash_knows_of_a_note_the_latent_and_those_before_it():
    torch.manual_seed(0)
    model = names_in("vrash")["Vrash"](torch.tensor([[-1, 2], [0, 2], [7, 4]]))
    texts = torch.tensor([[0, 1, 2, 1], [0, 1, 0, 1]])  # alike but for the third
    latent = torch.randn(1, 32).expand(2, -1)
    alike = torch.isclose(*model.logits(latent, texts)).all(dim=1).tolist()
    assert alike == [True, True, True, False]
    other = model.logits(latent + 1, texts)
    assert not torch.isclose(other, model.logits(latent, texts)).all(dim=2).any()


def test_pairs_for_peers_never_cross_two_pieces(place):
    trial = names_in("trial")
    corpus = nextbar.Corpus.open(place / "corpus")
    before, after = trial["Tunes"](corpus, 0, 88).pairs("training")
    n_bars = [len(corpus.bars_of(int(piece))) for piece in corpus.pieces("training")]
    assert len(before) == len(after) == sum(n_bars) - len(n_bars)
    assert torch.equal(before[1 : n_bars[0] - 1], after[: n_bars[0] - 2])
    assert not torch.equal(before[n_bars[0] - 1], after[n_bars[0] - 2])


def test_stretches_begin_at_bars_and_are_silent_behind_the_end():
    torch.manual_seed(0)
    line = torch.arange(1, 8).float()[:, None]  # steps 1 ... 7
    found = names_in("trial")["windows"]([line], 3, 50, every=2)[:, :, 0]
    assert set(found[:, 0].tolist()) == {1, 3, 5}
    assert all(row.tolist() == [row[0], row[0] + 1, row[0] + 2] for row in found)
    longer = names_in("trial")["windows"]([line], 9, 1)[0, :, 0]
    assert longer.tolist() == [1, 2, 3, 4, 5, 6, 7, 0, 0]
