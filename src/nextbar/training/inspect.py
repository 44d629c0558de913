"""What a corpus or a run is, as plain values. Reads JSON alone: no PyTorch."""

from pathlib import Path
from typing import Any

from nextbar.errors import UsageError
from nextbar.frames import record
from nextbar.music.manifest import MANIFEST, read_manifest
from nextbar.shipped import find_run


def inspect(path: str | Path) -> dict[str, Any]:
    """What a corpus or a run is, what it was made from, and how it went, as plain values.

    A corpus gives its manifest (``files_taken``, ``refused``, ``pieces``,
    ``bars``, ``pairs``, ``metres``, ...), a run its configuration, origin,
    epoch and the figures of each epoch. A model that comes with nextbar is known
    by its name. Raises UsageError for anything else.
    """
    path = find_run(path)
    if (path / record.DESCRIPTION).is_file():
        return _inspect_run(path)
    if (path / MANIFEST).is_file():
        return read_manifest(path)
    found = "does not exist" if not path.exists() else "is neither"
    raise UsageError(
        f"{path} {found}; give a corpus (made by `nextbar prepare`) or a run (by `nextbar train`)"
    )


def _inspect_run(run: Path) -> dict[str, Any]:
    config, shape, origin, _ = record.read_description(run)
    return {
        "kind": "nextbar run",
        "epoch": record.read_epoch(run) if record.has_checkpoint(run) else 0,
        "epochs": config.epochs,
        "config": config.to_dict(),
        "shape": list(shape),
        "origin": origin,
        "history": record.read_history(run),
    }
