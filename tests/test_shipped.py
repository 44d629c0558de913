"""The model that comes with nextbar, and that its controls do what they say."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import nextbar
from nextbar import measures
from nextbar.cli import main
from nextbar.errors import RunError
from nextbar.frames.checkpoint import WEIGHTS
from nextbar.frames.config import Sampling
from nextbar.measures import Piece
from nextbar.measures.bands import bands_of
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.measures.paper import diversity_as_published
from nextbar.music.bars import draw_rolls
from nextbar.shipped import MODELS
from nextbar.writing.folder import RECORD

N_PIECES, N_BARS = 150, 8
N_STEPS = 16
"""Of a bar of 4/4, in sixteenths."""


@pytest.fixture(scope="module")
def shipped():
    return nextbar.load()


@pytest.fixture(scope="module")
def write(shipped):
    """Pieces written with some temperature and follow, each asked for once."""
    known = {}

    def written(temperature=0.9, follow=1.0, bars=N_BARS):
        how = (temperature, follow, bars)
        if how not in known:
            compositions = shipped.compose(
                [None] * N_PIECES,
                bars=bars,
                seeds=range(N_PIECES),
                sampling=Sampling(temperature=temperature, follow=follow),
                metre=(4, 4),
            )
            known[how] = [Piece(c.notes, c.n_bars, str(c.seed)) for c in compositions]
        return known[how]

    return written


def bars_of(pieces, n_steps):
    """(pieces, bars, cells) of what sounds and begins."""
    rows, index = measures.bars_of_pieces(pieces, n_steps=n_steps)
    rolls = draw_rolls(rows, index, np.arange(len(index) - 1), n_steps=n_steps, onsets=True) > 0
    return rolls.reshape(len(pieces), pieces[0].n_bars, -1)


def alike(a, b):
    """Cells in both by cells in either, mean over bars."""
    return float(((a & b).sum(-1) / np.maximum((a | b).sum(-1), 1)).mean())


SOURCES = {
    "fiddle": ("music21:ryansMammoth", "Ryan's Mammoth Collection"),
    "piano": ("pop909", "POP909"),
    "chorales": ("music21:bach", "Johann Sebastian Bach"),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_is_small_and_says_what_it_is(name):
    folder = MODELS[name].folder
    # the posterior goes along, to adapt it, and the discriminator of phrases, to choose
    assert (folder / WEIGHTS).stat().st_size <= 4.8e6
    assert (folder / FINGERPRINTS).stat().st_size <= 1e6
    assert len(bands_of(folder, {}).of([nextbar.load(name).kind.metre] * 8)) >= 10
    source, collection = SOURCES[name]
    card = (folder / "card.md").read_text("utf-8")
    for part in ("## Data", "## Recipe", "## Measures", "## Limits", collection):
        assert part in card
    origin = nextbar.inspect(name)["origin"]
    assert origin["corpus"]["source"] == source
    assert "path" not in origin["corpus"]


def test_two_of_them_together_are_under_12_mb_and_each_under_6():
    sizes = {
        name: sum(path.stat().st_size for path in model.folder.iterdir())
        for name, model in MODELS.items()
    }
    assert sizes["fiddle"] + sizes["piano"] <= 12e6
    assert max(sizes.values()) <= 6e6


def test_the_chorales_write_chords_and_choose_what_is_likely():
    model = nextbar.load("chorales")
    assert model.model.chooses(model.sampling)
    (piece,) = model.compose([None], bars=4, seeds=[1])
    assert measures.polyphony(piece.notes) > 3  # its chorales 3.9


def test_the_piano_writes_for_two_hands_and_chooses_what_is_likely():
    model = nextbar.load("piano")
    assert model.model.chooses(model.sampling)
    pieces = model.compose([None] * 8, bars=4, seeds=range(8))
    voices = np.mean([measures.polyphony(piece.notes) for piece in pieces])
    assert 2.4 < voices < 3.4  # its songs 2.9
    wide = [int(np.ptp(piece.notes["pitch"])) > 19 for piece in pieces]
    assert all(wide), "a hand below and one above"


def test_it_writes_music_with_no_training_at_all(tmp_path, capsys):
    out = tmp_path / "music"
    words = ["generate", "--out", str(out), "--pieces", "2", "--no-wav", "--no-pictures"]
    assert main(words) == 0
    record = json.loads((out / RECORD).read_text())
    (first, _) = record["pieces"].values()
    assert first["command"].startswith("nextbar generate --out FOLDER"), "the same for everybody"
    assert main(["evaluate", str(out)]) == 0
    assert "came without the corpus" in " ".join(capsys.readouterr().out.split())


def test_what_it_writes_is_like_tunes(write):
    notes = [measures.note_ons(piece.notes) for piece in write()]
    scale = np.mean([measures.scale_consistency(n.pitches) for n in notes])
    assert scale > 97  # its tunes 98.4, random notes 75
    # an eighth is the usual length: 8 in a bar; its tunes have 7.8
    assert 6 < np.mean([len(n.pitches) for n in notes]) / N_BARS < 9


def test_the_temperature_raises_the_diversity_step_by_step(write):
    temperatures = (0, 0.3, 0.6, 0.9, 1.2, 1.5)
    # the paper's diversity: edit distances as they are, for at a high temperature notes are more
    rising = [
        diversity_as_published([piece.notes for piece in write(temperature=t)], n_steps=N_STEPS)
        for t in temperatures
    ]
    assert rising[0] == 0, "without temperature all are one piece"
    assert all(a < b for a, b in pairwise(rising)), rising
    distinct = [
        len({bar.tobytes() for piece in bars_of(write(temperature=t), N_STEPS) for bar in piece})
        for t in temperatures
    ]
    assert all(a < b for a, b in pairwise(distinct)), distinct


def test_the_more_closely_a_bar_follows_the_more_it_is_like_the_bars_before(write):
    following, beyond = [], []
    for follow in (0, 0.25, 0.5, 0.75, 1):
        bars = bars_of(write(follow=follow), N_STEPS)
        following.append(alike(bars[:, 1:], bars[:, :-1]))
        # less the bars of another piece: what all bars have in common is no following
        beyond.append(following[-1] - alike(bars[:, 1:], np.roll(bars, 1, axis=0)[:, :-1]))
    assert all(a < b for a, b in pairwise(following)), following
    assert beyond[0] == pytest.approx(0, abs=0.02)
    assert beyond[4] > beyond[2] > beyond[0] + 0.01, beyond


def test_a_seed_is_recognised_at_another_temperature(write):
    usual = bars_of(write(), N_STEPS)[:, 0]
    warmer = bars_of(write(temperature=1.0, bars=1), N_STEPS)[:, 0]
    same, other = alike(usual, warmer), alike(usual, np.roll(warmer, 1, axis=0))
    assert same > 3 * other, "the first bar of one seed at two temperatures, and of two seeds"


def test_it_writes_in_each_of_its_metres_what_fits_the_metre(shipped):
    """Reels in 2/4, clogs in 4/4, jigs in 6/8, slip jigs in 9/8."""
    assert shipped.kind.metres[:4] == ((2, 4), (4, 4), (6, 8), (9, 8))
    for metre in shipped.kind.metres[:4]:
        how = {"bars": 8, "seeds": range(32), "metre": metre}
        plain = replace(shipped.sampling, choose=0)  # as it draws by itself
        pieces = shipped.compose([None] * 32, sampling=plain, **how)
        starts = shipped.kind.starts_of([metre])[1]
        onsets = np.concatenate([piece.notes["start"] for piece in pieces]) % starts
        on_the_bar = (onsets == 0).sum() / (32 * 8)
        assert on_the_bar > 0.8, f"nearly every bar in {metre} has a note on its first beat"
        if metre[1] == 8:  # three eighths are a beat: the second eighth of three bears least
            thirds = np.bincount(onsets % 6, minlength=6)
            assert thirds[0] > thirds[4] > thirds[1], f"{metre}: {thirds}"


def test_a_model_that_comes_along_is_known_by_its_name_unless_a_folder_has_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert nextbar.load("fiddle").checkpoint == nextbar.load().checkpoint
    assert nextbar.inspect("fiddle")["kind"] == "nextbar run"
    (tmp_path / "fiddle").mkdir()
    with pytest.raises(RunError, match="fiddle"):
        nextbar.load("fiddle")
