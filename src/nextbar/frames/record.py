"""What a run folder says of itself, in JSON and without PyTorch.

RUN/
run.json                  what the run is: config, frame shape, origin
checkpoint.safetensors    the tensors (:mod:`nextbar.frames.checkpoint`)
history.jsonl             one line an epoch
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from nextbar.errors import ConfigError, RunError
from nextbar.files import write_bytes_atomically, write_json_atomically
from nextbar.frames.config import Config

FORMAT = 3
PROGRESS = "nextbar"
"""Where in a checkpoint its format, epoch and step stand."""
DESCRIPTION, WEIGHTS, HISTORY = "run.json", "checkpoint.safetensors", "history.jsonl"


class Description(NamedTuple):
    """What run.json says. shape: (channels, height, width) of a frame.

    origin: what the frames came from, as the caller wants it kept. widths: of
    frames of each kind, where there are several.
    """

    config: Config
    shape: tuple[int, int, int]
    origin: dict[str, Any]
    widths: tuple[int, ...] = ()


def describe_run(run: Path, description: Description) -> None:
    """Writes ``run.json``."""
    config, shape, origin, widths = description
    write_json_atomically(
        run / DESCRIPTION,
        {
            "format": FORMAT,
            "kind": "nextbar run",
            "config": config.to_dict(),
            "shape": list(shape),
            **({"widths": list(widths)} if widths else {}),
            "origin": origin,
        },
    )


def check_is_run(run: Path) -> None:
    """Raises RunError where the folder is not even meant to be a run."""
    if not (run / DESCRIPTION).is_file():
        found = "there is no such folder" if not run.is_dir() else f"it has no {DESCRIPTION}"
        raise RunError(f"{run} is not a run: {found}; make one with `nextbar train`")


def read_description(run: Path) -> Description:
    """Configuration, frame shape and origin of a run. Raises RunError where it is none."""
    check_is_run(run)
    path = run / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        kind, format_ = described["kind"], described["format"]
        if kind != "nextbar run" or format_ != FORMAT:
            raise RunError(
                f"{path}: made by another version or another program (kind {kind!r}, format "
                f"{format_!r}, expected {FORMAT}); train it anew with `nextbar train`, or use the "
                "version that made it"
            )
        channels, height, width = (int(side) for side in described["shape"])
        config = Config(**described["config"])
        widths = tuple(int(each) for each in described.get("widths", ()))
        return Description(config, (channels, height, width), dict(described["origin"]), widths)
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise RunError(f"{path} is damaged or not of nextbar ({error}); restore it") from error


def has_checkpoint(run: Path) -> bool:
    """Whether training in this run has come as far as its first checkpoint."""
    return (run / WEIGHTS).is_file()


def read_epoch(run: Path) -> int:
    """How many epochs the checkpoint has behind it. Raises RunError where there is none."""
    return read_progress(run)["epoch"]


def read_progress(run: Path) -> dict[str, int]:
    """Epoch and step of the checkpoint. Raises RunError where there is none, or it is damaged."""
    path = run / WEIGHTS
    if not path.is_file():
        raise RunError(
            f"{run} has no {WEIGHTS}: its training stopped before the first checkpoint; "
            "run `nextbar train` again"
        )
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is truncated or no checkpoint ({error}); restore it") from error
    try:
        progress = json.loads(metadata[PROGRESS])
        return {key: int(progress[key]) for key in ("epoch", "step")}
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a checkpoint of nextbar: it has no {error}") from error


def append_history(run: Path, epoch: int, figures: Mapping[str, float], seconds: float) -> None:
    """Adds an epoch's line; lines of later epochs, of work that was lost, are dropped.

    figures: by name; what is not a number was not computed, and is null in the file.
    """
    kept = [line for line in read_history(run) if (line["epoch"] or 0) < epoch]
    known = {name: x if math.isfinite(x) else None for name, x in figures.items()}
    kept.append({"epoch": epoch, "seconds": round(seconds, 3), **known})
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept)
    write_bytes_atomically(run / HISTORY, text.encode())


def read_history(run: Path) -> list[dict[str, float | None]]:
    """One record an epoch, in order, None for what it did not compute; empty before the first."""
    path = run / HISTORY
    if not path.is_file():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}); restore or remove it") from error
