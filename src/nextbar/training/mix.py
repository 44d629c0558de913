"""Between a base and what was adapted from it: the weights of both, so much of each."""

from pathlib import Path

import torch

from nextbar.errors import RunError, UsageError
from nextbar.frames import checkpoint, record
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.measures.fingerprints import fingerprints_of
from nextbar.shipped import find_run, typed_for
from nextbar.training.adapt import lay_between


def mix(
    base: str | Path | None, adapted: str | Path, out: str | Path, *, share: float = 0.5
) -> Path:
    """The folder ``out``: a small model on the way from the base to what was adapted from it.

    base: None is the model that comes with nextbar. share: 0-1, how much of the
    adapted one: 0 is the base, 1 the adapted one. The weights are interpolated
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"), which works for
    two that have trained from the same ones. Raises RunError for two that have not.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"share: {share:g} is not from 0 (the base) to 1 (the adapted one)")
    first, second = find_run(base), find_run(adapted)
    described = record.read_description(second)
    digest = checkpoint.digest_of(first)
    if described.origin.get("base", {}).get("checkpoint") != digest:
        raise RunError(
            f"{typed_for(second)} was not adapted from {typed_for(first)} as it is now, so between "
            "the two there is no music; give the base that it was adapted from"
        )
    cpu = torch.device("cpu")
    ours, epoch = checkpoint.load_model(second, cpu)
    theirs = checkpoint.load_model(first, cpu)[0].state_dict()
    mine = {name: weight.clone() for name, weight in ours.state_dict().items()}
    lay_between(ours, theirs, mine, share)
    origin = {**described.origin, "mixed": {"share": share, "base": digest}}
    try:
        beside = {FINGERPRINTS: fingerprints_of(second, origin).to_bytes()}
    except RunError:  # what is written then says so, when it is asked for no copies
        beside = {}
    checkpoint.write_model(ours, epoch, Path(out), described._replace(origin=origin), beside)
    return Path(out)
