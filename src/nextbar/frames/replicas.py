"""The processes that train one model together, by Lightning Fabric: device, precision, launch.

One process is the usual case. Under ``torchrun``, SLURM, or with several
devices asked for, every process holds the whole model and takes its share of
each batch; gradients are averaged over the joint batch, so that the replicas
stay equal and an epoch sees each pair once. Batch normalisation takes its
means over a process's own share: with it, several processes do not compute
exactly what one would on the joint batch; without it they do.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from nextbar.errors import UsageError
from nextbar.frames.config import Config

if TYPE_CHECKING:
    from lightning_fabric import Fabric


Precision = Literal["float32", "bfloat16"]


def choose_device(name: str) -> torch.device:
    """The device called ``name``; "auto" is an accelerator where there is one, else the CPU."""
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {name!r} cannot be used here; choose cpu or auto") from error
    return device


def choose_precision(device: torch.device) -> Precision:
    """What networks compute in best on a device: bfloat16 where its processor has that.

    Weights and losses stay in float32 whatever it is.
    """
    has_bfloat16 = (
        torch.cuda.is_bf16_supported()
        if device.type == "cuda"
        else device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    )
    return "bfloat16" if has_bfloat16 else "float32"


@contextmanager
def few_threads(config: Config) -> Iterator[None]:
    """Within it, networks in columns compute in one thread on a CPU.

    Their products are so small that two threads gain a fifth on a quiet machine,
    and where other programs use the cores wait for each other ten times longer
    than they compute. Whoever sets OMP_NUM_THREADS has what it says.
    """
    before = torch.get_num_threads()
    if config.layout != "columns" or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Replicas:
    """The processes of one training, this one among them."""

    def __init__(self, fabric: "Fabric") -> None:
        self.fabric = fabric
        self.device: torch.device = fabric.device
        self.rank: int = fabric.global_rank
        self.world: int = fabric.world_size

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, joint: Tensor, *, dim: int) -> Tensor:
        """The part that this process has of a joint tensor; one row of it where it has no part.

        A row without a part counts nothing: its weight in :meth:`joint` is 0.
        """
        rows = range(self.rank, joint.shape[dim], self.world) or range(1)
        return joint.index_select(dim, torch.tensor(rows))

    def joint(self, n_joint: int) -> "Joint":
        """What makes one gradient of the processes' gradients, for a batch of ``n_joint``."""
        n_own = len(range(self.rank, n_joint, self.world))
        return Joint(self, n_own / n_joint)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        if self.world == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        return bool(_summed(self.fabric, raised) > 0)

    def wait(self) -> None:
        """Returns when every process has come to this point."""
        self.fabric.barrier()


class Joint:
    """Computing with one weight in a joint batch: the precision, and averages over processes."""

    def __init__(self, replicas: Replicas, weight: float) -> None:
        self._replicas = replicas
        self._weight = weight

    def autocast(self) -> AbstractContextManager[None]:
        """The precision that the networks compute in."""
        return self._replicas.fabric.autocast()

    def average(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors averaged over the pairs of the joint batch, in one exchange."""
        if self._replicas.world == 1:
            return list(tensors)
        flat = torch.cat([tensor.float().flatten() for tensor in tensors]) * self._weight
        parts = torch.split(_summed(self._replicas.fabric, flat), [t.numel() for t in tensors])
        return [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)]

    def average_buffers(self, model: nn.Module) -> None:
        """Makes running means and variances of normalisation those of all processes."""
        buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        if self._replicas.world == 1 or not buffers:
            return
        for buffer, average in zip(buffers, self.average(buffers), strict=True):
            buffer.copy_(average)


def _summed(fabric: "Fabric", tensor: Tensor) -> Tensor:
    total = fabric.all_reduce(tensor, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def launch(
    *, device: str = "auto", devices: int | None = None, precision: Precision = "float32"
) -> Replicas:
    """The processes of a training, started where they do not run yet.

    device: auto, cpu, cuda, mps, ... devices: processes on this machine, one a
    device. By default one; under ``torchrun`` or SLURM as many, on as many
    machines, as that has started. precision: what networks compute in. Raises
    UsageError where the two disagree, or the device or precision cannot be used.
    """
    if precision not in get_args(Precision):
        raise UsageError(f"precision: {precision!r} is none of {', '.join(get_args(Precision))}")
    from lightning_fabric import Fabric  # imported here: it takes a second or two

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # our caller speaks
    chosen = choose_device(device)
    n_local, n_nodes = _started_from_outside()
    if devices is not None and n_local is not None and devices != n_local:
        raise UsageError(
            f"devices: {devices} asked for, but {n_local} processes were started on this "
            "machine; leave it out"
        )
    n_devices = n_local or devices or 1
    if chosen.type != "cpu" and n_devices > torch.accelerator.device_count():
        raise UsageError(
            f"devices: {n_devices} asked for, there are {torch.accelerator.device_count()} here"
        )
    fabric = Fabric(
        accelerator=chosen.type,
        devices=n_devices if chosen.type == "cpu" or chosen.index is None else [chosen.index],
        num_nodes=n_nodes,
        strategy="ddp" if n_devices * n_nodes > 1 else "auto",
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
    )
    fabric.launch()
    return Replicas(fabric)


def _started_from_outside() -> tuple[int | None, int]:
    """(processes on this machine, machines) as torchrun or SLURM have started them."""
    seen = os.environ
    if "TORCHELASTIC_RUN_ID" in seen:
        n_local = int(seen["LOCAL_WORLD_SIZE"])
        return n_local, int(seen["WORLD_SIZE"]) // n_local
    if "SLURM_NTASKS" in seen and seen.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        n_nodes = int(seen.get("SLURM_NNODES", 1))
        return int(seen["SLURM_NTASKS"]) // n_nodes, n_nodes
    return None, 1
