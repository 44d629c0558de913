"""Trains moving squares and says what came out; run by one process, or by torchrun in several.

python -m tests.frames.together OUT BATCH
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from nextbar.frames.config import Config
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import launch
from nextbar.frames.training import begin_training, train

from .conftest import SHAPE, squares


def main(out: Path, batch: int) -> None:
    torch.set_num_threads(1)
    config = Config(
        latent=8,
        encoder_channels=(4, 8),
        generator_channels=(8, 4),
        generator_strides=(2,),
        discriminator_channels=(4,),
        batch=batch,
        batch_norm=False,
        epochs=1,
    )
    replicas = launch(device="cpu")
    pairs = PairBatches(squares(n_videos=5), np.arange(5), batch, seed=0)
    training = begin_training(build_model(SHAPE, config))
    figures = [now.figures for now in train(training, pairs, replicas)]
    weights = {**training.model.state_dict(), "figures": torch.tensor(figures[-1])}
    weights = {name: weight.contiguous() for name, weight in weights.items()}
    save_file(weights, out / f"{replicas.rank}-of-{replicas.world}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
