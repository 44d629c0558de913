"""Small music, made on the spot: enough for every verb to run in seconds."""

from pathlib import Path

import numpy as np
import torch

from nextbar.frames import checkpoint
from nextbar.frames.record import read_description
from nextbar.music.bars import NOTE
from nextbar.music.score import to_score, write_midi
from nextbar.writing.composer import Composer, load

TINY = {
    "latent": 4,
    "encoder_channels": [2, 4],
    "generator_channels": [4, 4, 2],
    "generator_strides": [2, 2],
    "discriminator_channels": [2, 2],
    "batch": 8,
    "epochs": 2,
}
"""Fields that make the preset `paper` train in a second."""

QUICK = {"preset": "paper", "precision": "float32", **TINY}
"""The same as arguments of `nextbar.train`."""

REMEMBERING = {
    "preset": "default",
    "history": [1, 2, 4],
    "latent": 2,
    "latent_mixture": 3,
    "attention_heads": 2,
    "encoder_channels": [8, 8],
    "generator_channels": [8, 8],
    "batch": 8,
    "epochs": 1,
    "phrase_updates": 0,
    "repeats": (),
    "precision": "float32",
}
"""The same with all that goes beyond the paper: it looks at up to four bars."""
SEVERAL_METRES = {
    "preset": "small",
    "encoder_channels": (8, 8),
    "generator_channels": (8, 8),
    "latent": 2,
    "latent_mixture": 2,
    "epochs": 1,
    "batch": 16,
    "phrase_updates": 0,
    "repeats": (),
}
"""What trains in a second, on bars of several metres too."""


def write_tune(path: Path, *, n_bars: int = 6, seed: int = 0) -> Path:
    """A tune of quarter notes in C major, 4/4, as a MIDI file."""
    rng = np.random.default_rng(seed)
    notes = np.empty(4 * n_bars, NOTE)
    notes["start"] = 4 * np.arange(4 * n_bars)
    notes["duration"] = 4
    notes["pitch"] = rng.choice([60, 62, 64, 65, 67, 69, 71, 72], 4 * n_bars)
    notes["velocity"] = 80
    write_midi(to_score(notes), path)
    return path


def write_tunes(folder: Path, n_tunes: int = 12) -> Path:
    """A folder of such tunes."""
    for number in range(n_tunes):
        write_tune(folder / f"tune{number:02}.mid", seed=number)
    return folder


@torch.no_grad()
def let_it_sound(composer: Composer, share: float = 0.05) -> Composer:
    """The composer, its last layer changed so that this share of all cells is heard.

    Two short epochs leave a model silent, and silence shows nothing.
    """
    last = composer.model.generator.layers[-1]
    noise = np.random.default_rng(0).standard_normal((64, composer.model.latent_size))
    if composer.model.config.layout == "columns":
        return _let_gates_open(composer, torch.from_numpy(noise).float(), share)
    frames = composer.model.generator(torch.from_numpy(noise).float())
    above_bias = torch.atanh(2 * frames - 1) - last.bias
    last.weight.div_(above_bias.std())
    last.bias.fill_(-0.3 - (above_bias / above_bias.std()).quantile(1 - share).item())
    return composer


@torch.no_grad()
def _let_gates_open(composer: Composer, latents: torch.Tensor, share: float) -> Composer:
    """As above, where a gate decides what is heard; and what was heard before decides much."""
    last = composer.model.generator.layers[-1].product
    last.bias.zero_()
    gates = composer.model.generator.decode(latents)[0].gates
    last.weight.div_(gates.std())
    last.bias[: len(last.bias) // 2] = -(gates / gates.std()).quantile(1 - share)
    composer.model.encoder.parts.output[-1].weight.mul_(8)
    return composer


def let_run_sound(run: Path, share: float = 0.05) -> None:
    """The same of a run folder: what is loaded from it is heard."""
    training = checkpoint.load_training(run, read_description(run).config, torch.device("cpu"))
    weights = let_it_sound(load(run), share).model.state_dict()
    for model in (training.model, training.averaged):
        if model is not None:
            model.load_state_dict({name: weights[name] for name in model.state_dict()})
    checkpoint.save_training(run, training)
