"""A training on disk: one safetensors file for all that is a tensor, replaced whole.

Beside it stands what the run says of itself (:mod:`nextbar.frames.record`).
What is exported to be given away is such a folder, too, with no more than it
takes to write, and to be adapted: encoder, generator and posterior, in half
precision, an eighth of the size.

Nothing here is pickled: loading a run that somebody sent reads arrays and JSON
and executes nothing. The random state needs no place of its own, since order
and noise depend on seed, epoch and step alone.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nextbar.errors import RunError
from nextbar.files import folder_written_whole, write_bytes_atomically
from nextbar.frames import record
from nextbar.frames.config import Config
from nextbar.frames.model import Model, build_model
from nextbar.frames.record import (
    DESCRIPTION,
    FORMAT,
    PROGRESS,
    WEIGHTS,
    Description,
    describe_run,
    read_description,
    read_progress,
)
from nextbar.frames.training import Training, begin_training

BEHIND = ("pointer.", "phrases.")
"""What the names of networks begin with that are trained behind the rest, perhaps later."""
EXPORTED = "exported."
"""What the names of weights that were exported begin with."""


def save_training(run: Path, training: Training) -> None:
    """Writes the checkpoint, beside the old one and then in its place."""
    tensors = {f"model.{name}": tensor for name, tensor in training.model.state_dict().items()}
    if training.averaged is not None:
        tensors |= {f"averaged.{n}": t for n, t in training.averaged.state_dict().items()}
    for network, optimiser in training.optimisers.items():
        for nth, moments in optimiser.state_dict()["state"].items():
            for kind, tensor in moments.items():
                tensors[f"optimiser.{network}.{nth}.{kind}"] = tensor
    # One key: several come out in no fixed order, and equal trainings would not be equal files.
    progress = {"format": FORMAT, "epoch": training.epoch, "step": training.step}
    metadata = {PROGRESS: json.dumps(progress)}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes_atomically(run / WEIGHTS, save(contiguous, metadata), durable=True)


def load_training(run: Path, config: Config, device: torch.device) -> Training:
    """The training as it was saved, ready to go on. Raises RunError where it cannot be read.

    config: the run's own, or one that differs in what does not shape a network.
    """
    _, shape, _, widths = read_description(run)
    training = begin_training(build_model(shape, config, widths).to(device))
    progress, tensors = read_progress(run), _read_tensors(run)
    if not _has_pointer_of(training.model, tensors):  # it is asked about other frames now
        tensors = {name: tensor for name, tensor in tensors.items() if ".pointer." not in name}
    if any(name.startswith(EXPORTED) for name in tensors):
        raise RunError(
            f"{run} was exported to write with, and cannot be trained on; begin a new run"
        )
    _fill(training.model, tensors, run)
    if training.averaged is not None:
        _fill(training.averaged, tensors, run, "averaged.")
    for network, optimiser in training.optimisers.items():
        _fill_optimiser(optimiser, network, tensors, run)
    training.epoch, training.step = progress["epoch"], progress["step"]
    return training


def load_model(run: Path, device: torch.device) -> tuple[Model, int]:
    """The networks to write with, in evaluation mode, and the epoch they come from."""
    config, shape, _, widths = read_description(run)
    model = build_model(shape, config, widths)
    progress, tensors = read_progress(run), _read_tensors(run, only=EXPORTED)
    if tensors:
        networks = writing_networks(model)
        if not _has_posterior(tensors) and "posterior" in networks:
            networks.pop("posterior")  # once it was not given away
        _fill(networks, tensors, run, EXPORTED)
    else:
        which = "averaged." if config.average else "model."
        _fill(model, _read_tensors(run, only=which), run, which)
    return model.to(device).eval(), progress["epoch"]


def load_to_adapt(run: Path, device: torch.device) -> Model:
    """The networks to train further on other frames; their optimisers begin anew.

    Raises RunError where a network is missing that only training needs.
    """
    exported = _read_tensors(run, only=EXPORTED)
    model, _ = load_model(run, device)
    lacks = model.discriminator is not None or (
        model.posterior is not None and not _has_posterior(exported)
    )
    if exported and lacks:
        raise RunError(
            f"{run} was exported without what training needs; export it anew with this version, or "
            "adapt the run itself"
        )
    return model.requires_grad_(True)


def _has_pointer_of(model: Model, tensors: Mapping[str, Tensor]) -> bool:
    saved = {n: t.shape for n, t in tensors.items() if n.startswith("model.pointer.")}
    wanted = {f"model.{n}": t.shape for n, t in model.state_dict().items()}
    return saved == {n: shape for n, shape in wanted.items() if n.startswith("model.pointer.")}


def _has_posterior(exported: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(f"{EXPORTED}posterior.") for name in exported)


def export_model(run: Path, out: Path, origin: dict[str, Any], beside: Mapping[str, bytes]) -> None:
    """Writes a run that only writes into the folder ``out``, which is new or empty.

    origin: what to say of where it comes from. beside: files that go along, by
    name. Raises RunError for no run.
    """
    described = read_description(run)
    model, epoch = load_model(run, torch.device("cpu"))
    write_model(model, epoch, out, described._replace(origin=origin), beside)


def write_model(
    model: Model, epoch: int, out: Path, described: Description, beside: Mapping[str, bytes]
) -> None:
    """Writes a model as a run that only writes; beside: files that go along, by name."""
    with folder_written_whole(out) as folder:
        describe_run(folder, described)
        progress = {"format": FORMAT, "epoch": epoch, "step": 0}
        tensors = {
            EXPORTED + name: _halved(tensor)
            for name, tensor in writing_networks(model).state_dict().items()
        }
        weights = save(tensors, {PROGRESS: json.dumps(progress)})
        write_bytes_atomically(folder / WEIGHTS, weights, durable=True)
        for name, data in beside.items():
            write_bytes_atomically(folder / name, data, durable=True)


def _halved(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


def digest_of(run: Path) -> str:
    """The sha256 of a run's weights. Raises RunError where it has none."""
    record.check_is_run(run)
    path = run / WEIGHTS
    if not path.is_file():
        raise RunError(f"{run} has no {WEIGHTS}: its training has not come so far; train it first")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def writing_networks(model: Model) -> nn.ModuleDict:
    """Encoder and generator, which is all that it takes to write, and the posterior to adapt."""
    networks = nn.ModuleDict({"encoder": model.encoder, "generator": model.generator})
    if model.pointer is not None:
        networks["pointer"] = model.pointer
    if model.phrases is not None:
        networks["phrases"] = model.phrases
    if model.posterior is not None:
        networks["posterior"] = model.posterior
    return networks


def _read_tensors(run: Path, only: str = "") -> dict[str, Tensor]:
    """The tensors of a checkpoint whose names begin so."""
    path = run / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(only)]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is truncated or no checkpoint ({error}); restore it") from error


def _fill(model: nn.Module, tensors: dict[str, Tensor], run: Path, which: str = "model.") -> None:
    weights = {
        name.removeprefix(which): tensor
        for name, tensor in tensors.items()
        if name.startswith(which)
    }
    for behind in BEHIND:
        if not any(name.startswith(behind) for name in weights):
            weights |= {n: fresh for n, fresh in model.state_dict().items() if n.startswith(behind)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first_line = str(error).splitlines()[-1].strip()
        raise RunError(
            f"{run / WEIGHTS} does not fit {DESCRIPTION} ({first_line}); restore the run"
        ) from error


def _fill_optimiser(
    optimiser: torch.optim.Adam, network: str, tensors: dict[str, Tensor], run: Path
) -> None:
    prefix = f"optimiser.{network}."
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            nth, kind = name.removeprefix(prefix).split(".")
            state.setdefault(int(nth), {})[kind] = tensor
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    fits = len(state) == len(parameters) and all(
        {"step", "exp_avg", "exp_avg_sq"} == state[nth].keys()
        and state[nth]["exp_avg"].shape == parameter.shape
        for nth, parameter in enumerate(parameters)
        if nth in state
    )
    if state and not fits:
        raise RunError(f"{run / WEIGHTS}: the {network}'s optimiser does not fit its weights")
    if not state:
        return
    for parameter, moments in zip(parameters, (state[nth] for nth in sorted(state)), strict=True):
        for kind in ("exp_avg", "exp_avg_sq"):  # laid out as the fused kernel takes them to be
            moments[kind] = torch.empty_like(parameter).copy_(moments[kind]).detach()
        moments["step"] = moments["step"].clone()  # of the file, which is mapped, nothing is kept
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
