"""Seconds an iteration of the paper's preset, beside a straight port of the paper and the default.

    python benchmarks/training.py [--music CORPUS]

The preset ``paper`` and the port compute the same: batch 64, E and G twice and D
once, the same losses from the same weights and noise. The port is written the
plain way, in float32, one loss and one ``backward()`` after the other, in
PyTorch's default layout; the "careful port" is the same with gradients asked
only for the network that is updated. Iterations take turns, so that a slow
minute of the machine slows all alike. Before timing, the losses of all are
compared in float32.

The preset ``default`` takes its turn with a whole iteration of its own training
loop, frames fetched and weights averaged, on frames with onsets; an epoch is
16,000 pairs, some 500 tunes.

The ceiling is the matrix product of 2,048 x 2,048, measured here; the share of
it that is reached counts the multiplications of the careful port.

``--music`` then trains the default on a corpus until it writes the first
acceptable music: after each epoch 300 pieces of 5 bars from held-out bars, of
scale consistency >= 95 % and mean coherence > 0.05.
"""

import argparse
import copy
import json
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nextbar import measures
from nextbar.frames.config import Config
from nextbar.frames.model import Model, build_model
from nextbar.frames.pairs import PairBatches, Sequences
from nextbar.frames.plane import Discriminator, Generator
from nextbar.frames.replicas import Precision, choose_precision, launch
from nextbar.frames.training import StepDone, begin_training, draw_noises, train, train_step
from nextbar.music.corpus import Corpus
from nextbar.training.presets import PRESETS, configure
from nextbar.training.run import training_pairs
from nextbar.writing.composer import Composer
from recipe import BARS, continued

SHAPE, WITH_ONSETS = (1, 88, 16), (2, 88, 16)
IN_A_ROW = 6
"""Iterations of the default in its turn: they are short."""
LEAST_SCALE, LEAST_COHERENCE = 95.0, 0.05
"""Of acceptable music: at least so many percent, and more than that."""
Losses = tuple[float, float, float]
"""Of the last update: D's Eq. 9, E's Eq. 8, G's Eq. 10."""


class Port:
    """The paper, straight: NCHW, float32, eager; each network by itself."""

    def __init__(self, seed: int, *, careful: bool) -> None:
        torch.manual_seed(seed)
        self.careful = careful
        self.encoder = self._encoder()
        self.project = nn.Linear(128, 64 * 88 * 16)
        self.grow = self._generator()
        self.features, self.verdict = self._discriminator(), nn.Linear(88 * 16, 1)
        self.e = list(self.encoder.parameters())
        self.g = [*self.project.parameters(), *self.grow.parameters()]
        self.d = [*self.features.parameters(), *self.verdict.parameters()]
        self.adam_e = torch.optim.Adam(self.e, 0.0005, (0.5, 0.999))
        self.adam_g = torch.optim.Adam(self.g, 0.0005, (0.5, 0.999))
        self.adam_d = torch.optim.Adam(self.d, 0.0001, (0.5, 0.999))

    @staticmethod
    def _encoder() -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in ((1, 8), (8, 16), (16, 32)):
            layers += [nn.Conv2d(before, after, 5, 2, 2, bias=False), nn.BatchNorm2d(after)]
            layers += [nn.ELU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 11 * 2, 256))

    @staticmethod
    def _generator() -> nn.Sequential:
        layers: list[nn.Module] = [nn.BatchNorm2d(64), nn.ReLU()]
        for before, after in ((64, 32), (32, 16), (16, 8)):
            layers += [nn.ConvTranspose2d(before, after, 3, 1, 1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(8, 1, 3, padding=1))

    @staticmethod
    def _discriminator() -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in ((1, 8), (8, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, 1, 1), nn.LeakyReLU(0.2)]
        return nn.Sequential(*layers, nn.Conv2d(64, 1, 3, 1, 1), nn.Flatten())

    def take_weights(self, model: Model) -> None:
        """Begins where the model begins."""
        with torch.no_grad():
            assert isinstance(model.generator, Generator)
            assert isinstance(model.discriminator, Discriminator)
            self._copy(model.encoder.parameters(), self.e)
            weight, bias = model.generator.project.weight, model.generator.project.bias
            by_map = weight.view(88, 16, 64, 128).permute(2, 0, 1, 3)  # ours: channels innermost
            self.project.weight.copy_(by_map.reshape(-1, 128))
            self.project.bias.copy_(bias.view(88, 16, 64).permute(2, 0, 1).flatten())
            self._copy(model.generator.layers.parameters(), list(self.grow.parameters()))
            self._copy(model.discriminator.parameters(), self.d)

    @staticmethod
    def _copy(source: Iterator[nn.Parameter], target: list[nn.Parameter]) -> None:
        for ours, theirs in zip(source, target, strict=True):
            theirs.copy_(ours)

    def generate(self, latent: Tensor) -> Tensor:
        maps = self.project(latent).view(-1, 64, 88, 16)
        return 0.5 * (1 + torch.tanh(self.grow(maps)))

    def synthesise(self, previous: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        mean, log_variance = self.encoder(previous).chunk(2, dim=1)
        latent = mean + noise * torch.exp(log_variance / 2)
        return mean, log_variance, self.generate(latent), self.generate(noise)

    def judge(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(frames)
        return features, self.verdict(features).squeeze(1)

    def losses(
        self, current: Tensor, synthesis: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance, predicted, sampled = synthesis
        (real, real_logit), (f1, l1), (f2, l2) = map(self.judge, (current, predicted, sampled))
        matching = 0.5 * ((real - f1).square().sum(1) + (real - f2).square().sum(1)).mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()
        adversarial = (F.softplus(-l1) + F.softplus(-l2)).mean()
        d_loss = (F.softplus(-real_logit) + F.softplus(l1) + F.softplus(l2)).mean()
        return d_loss, matching + kl, adversarial + matching

    def gradients(self, loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
        if self.careful:
            return list(torch.autograd.grad(loss, parameters, retain_graph=True))
        for parameter in (*self.e, *self.g, *self.d):
            parameter.grad = None
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    def step(self, previous: Tensor, current: Tensor, noises: Tensor) -> Losses:
        d_value = math.nan
        for nth, noise in enumerate(noises):
            d_loss, e_loss, g_loss = self.losses(current, self.synthesise(previous, noise))
            updates = [(self.adam_e, self.e, e_loss), (self.adam_g, self.g, g_loss)]
            if not nth:
                updates.append((self.adam_d, self.d, d_loss))
                d_value = d_loss.item()
            # All gradients before any step: a loss must not see weights that have moved.
            taken = [self.gradients(loss, parameters) for _, parameters, loss in updates]
            for (adam, parameters, _), gradients in zip(updates, taken, strict=True):
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = gradient
                adam.step()
        return d_value, e_loss.item(), g_loss.item()


class Ours:
    """The package's own step."""

    def __init__(self, model: Model, precision: Precision) -> None:
        replicas = launch(device="cpu", precision=precision)
        self.joint = replicas.joint(model.config.batch)
        self.training = begin_training(model)

    def step(self, previous: Tensor, current: Tensor, noises: Tensor) -> Losses:
        figures = train_step(self.training, previous, current, noises, joint=self.joint)
        return figures.discriminator, figures.encoder, figures.generator


def ceiling(precision: Precision, side: int) -> float:
    """Operations a second of a matrix product of ``side`` x ``side``."""
    a, b = (torch.randn(side, side).to(getattr(torch, precision)) for _ in range(2))
    times = []
    for _ in range(12):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * side**3 / statistics.median(times[2:])


def frames(batch: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    # As sparse as music: 16 cells of 1,408 sound.
    both = (torch.rand(2, batch, *SHAPE, generator=rng) < 16 / 1408).float() * 90 / 127
    return both[0], both[1]


def default_loop(
    config: Config, n_pairs: int, precision: Precision
) -> tuple[Iterator[StepDone], int]:
    """The training of ``config`` on frames as sparse as music, and its iterations an epoch."""
    rng = np.random.default_rng(1)
    made = np.zeros((n_pairs + 1, *WITH_ONSETS), np.uint8)
    made[rng.random(made.shape, np.float32) < 16 / 1408] = 90
    sequences = Sequences(made, np.array([0, len(made)]), full_scale=127)
    pairs = PairBatches(
        sequences, np.array([0]), config.batch, config.seed, config.history, config.forget
    )
    training = begin_training(build_model(WITH_ONSETS, config))
    return train(training, pairs, launch(device="cpu", precision=precision)), pairs.n_batches


def first_music(
    corpus: Corpus, config: Config, precision: Precision, n_pieces: int, console: Console
) -> dict[str, float | bool]:
    """Seconds of training until the music is acceptable, or the training's end; and how it is then.

    What is written and measured in between does not count.
    """
    training = begin_training(build_model(corpus.kind.frame_shape, config))
    found: dict[str, float | bool] = {}
    seconds, began = 0.0, time.perf_counter()
    replicas = launch(device="cpu", precision=precision)
    for now in train(training, training_pairs(corpus, config), replicas):
        if not now.ends_epoch:
            continue
        seconds += time.perf_counter() - began
        composer = Composer(
            training.writer,
            corpus.kind,
            origin={},
            path=Path(),
            checkpoint="",
            sampling=PRESETS["default"].sampling,
        )
        pieces = continued(composer, corpus, n_pieces, BARS)
        training.model.train()  # composing may have put it in evaluation mode
        notes = [measures.note_ons(piece.notes).pitches for piece in pieces]
        scale = float(np.nanmean([measures.scale_consistency(pitches) for pitches in notes]))
        coherence = float(np.mean(measures.coherence_by_bar(pieces, n_steps=corpus.n_steps)))
        n_notes = float(np.mean([len(pitches) for pitches in notes]))
        is_acceptable = scale >= LEAST_SCALE and coherence > LEAST_COHERENCE
        found = {
            "acceptable": is_acceptable,
            "epochs": now.epoch,
            "seconds": round(seconds, 1),
            "scale_consistency": round(scale, 2),
            "coherence": round(coherence, 3) if math.isfinite(coherence) else 0.0,
            "notes": round(n_notes, 1),
        }
        console.print(
            f"epoch {now.epoch}, {seconds:.1f} s of training: scale consistency {scale:.1f} %, "
            f"coherence {coherence:.3f}, {n_notes:.1f} notes",
            soft_wrap=True,
        )
        if is_acceptable:
            break
        began = time.perf_counter()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=7, help="timed, after two for warm-up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64, help="of the paper's preset and the port")
    parser.add_argument("--pairs", type=int, default=16_000, help="in an epoch")
    parser.add_argument("--side", type=int, default=2048, help="of the ceiling's matrices")
    parser.add_argument("--music", type=Path, metavar="CORPUS", help="time to acceptable music")
    parser.add_argument("--pieces", type=int, default=300, help="that are to be acceptable")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    paper = configure("paper", batch=options.batch)
    computes_in = choose_precision(torch.device("cpu"))
    model = build_model(SHAPE, paper)
    ports = {name: Port(0, careful=name != "port") for name in ("port", "careful port")}
    for port in ports.values():
        port.take_weights(model)
    rows: dict[str, Port | Ours] = {**ports}
    for precision in dict.fromkeys(("float32", computes_in)):
        rows[f"nextbar, {precision}"] = Ours(copy.deepcopy(model), precision)
    previous, current = frames(paper.batch)
    default = configure("default")
    loop, n_iterations = default_loop(default, options.pairs, computes_in)

    losses: dict[str, Losses] = {}
    times: dict[str, list[float]] = {name: [] for name in rows}
    for iteration in range(options.iterations + 2):
        noises = draw_noises(paper, iteration, paper.batch, paper.latent)
        for name, row in rows.items():
            began = time.perf_counter()
            latest = row.step(previous, current, noises)
            if iteration >= 2:
                times[name].append(time.perf_counter() - began)
            elif iteration == 0:
                losses[name] = latest
        if iteration == 0:
            with FlopCounterMode(display=False) as of_paper:
                ports["careful port"].step(previous, current, noises)
            with FlopCounterMode(display=False) as of_default:
                next(loop)
        for nth in range(IN_A_ROW):
            began = time.perf_counter()
            next(loop)
            if iteration >= 2 and nth:  # the first comes with caches full of others' numbers
                times.setdefault("default", []).append(time.perf_counter() - began)
    agreement = max(
        abs(a - b) / abs(b)
        for a, b in zip(losses["nextbar, float32"], losses["careful port"], strict=True)
    )
    if agreement > 1e-4:
        raise SystemExit(f"the losses differ by {agreement:.1%}: {losses}")

    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    floor: dict[str, float] = {"float32": ceiling("float32", options.side)}
    floor.setdefault(computes_in, ceiling(computes_in, options.side))
    operations, default_operations = of_paper.get_total_flops(), of_default.get_total_flops()
    table = Table(title=f"one iteration, batch {paper.batch}, {options.threads} threads")
    for column in ("", "seconds", "times the port", "share of the ceiling"):
        table.add_column(column, justify="left" if not column else "right")
    share = {}
    for name, seconds in median.items():
        counted = default_operations if name == "default" else operations
        is_exact = "bfloat16" not in name and name != "default"
        share[name] = counted / seconds / floor["float32" if is_exact else computes_in]
        told = "-" if "port" in name else f"{share[name]:.0%}"
        times_port = "-" if name == "default" else f"{median['port'] / seconds:.2f}"
        table.add_row(name, f"{seconds:.3f}", times_port, told)
    console.print(table)
    console.print(
        f"losses agree in float32 within {agreement:.1e}; {operations / 1e9:.0f} GFLOP an "
        f"iteration, the default's {default_operations / 1e9:.1f}; ceiling "
        f"{floor['float32'] / 1e9:.0f} GFLOP/s in float32, "
        f"{floor[computes_in] / 1e9:.0f} in {computes_in}"
    )
    best = min((name for name in median if name != "default"), key=lambda name: median[name])
    paper_epoch = median[best] * -(-options.pairs // paper.batch)
    default_epoch = median["default"] * n_iterations
    console.print(
        f"an epoch of {options.pairs:,} pairs: default {default_epoch:.1f} s, "
        f"paper {paper_epoch:.0f} s, {paper_epoch / default_epoch:.1f} times as long",
        soft_wrap=True,
    )
    music: dict[str, float | bool] = {}
    if options.music:
        corpus = Corpus.open(options.music)
        music = first_music(corpus, default, computes_in, options.pieces, console)
    print(json.dumps({
        "benchmark": "training",
        "seconds": {name: round(seconds, 4) for name, seconds in median.items()},
        "times_the_port": round(median["port"] / median[best], 2),
        "times_the_careful_port": round(median["careful port"] / median[best], 2),
        "share_of_ceiling": round(share[best], 3),
        "losses_agree_within": agreement,
        "default_seconds_an_epoch": round(default_epoch, 2),
        "paper_seconds_an_epoch": round(paper_epoch, 2),
        "times_paper": round(paper_epoch / default_epoch, 2),
        "default_share_of_ceiling": round(share["default"], 3),
        "threads": options.threads,
        **({"first_acceptable_music": music} if music else {}),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
