"""A run to give away, as a folder or as one file, with a card that says what it is."""

import shlex
import tempfile
from pathlib import Path

from nextbar import one_file
from nextbar.errors import OutputError
from nextbar.frames import checkpoint, record
from nextbar.frames.record import Description
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.shipped import find_run
from nextbar.training.run import export as export_folder


def export(run: str | Path, out: str | Path) -> Path:
    """``out``: a small run to give away; where it ends in ``.nextbar`` one file, else a folder.

    What is in it, and what it raises, is said at :func:`nextbar.training.run.export`; the
    file also has ``card.md``, the run's own where it has one. Every command that takes
    a run opens such a file (:mod:`nextbar.one_file`). The same run gives the same bytes.
    """
    path = Path(out)
    if path.suffix != one_file.SUFFIX:
        return export_folder(run, path)
    one_file.check_free(path)
    found = find_run(run)
    try:
        with tempfile.TemporaryDirectory(prefix="nextbar-export-") as above:
            folder = export_folder(found, Path(above) / "model")
            own = found / one_file.CARD
            card = own.read_text("utf-8") if own.is_file() else _card(folder, path.name)
            one_file.write_one_file(path, folder, card)
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} could not be written: {error}") from error
    return path


def _card(folder: Path, file: str) -> str:
    """What the record of an exported run says, for people. file: the name of the whole."""
    described = record.read_description(folder)
    config, origin = described.config, described.origin
    corpus = origin.get("corpus", {})
    bars_in = ", ".join(f"{n:,} in {metre}" for metre, n in corpus.get("bars_in", {}).items())
    copies = (
        "Fingerprints of its training bars are in it: `--no-copies` and `nextbar verify` work."
        if (folder / FINGERPRINTS).is_file()
        else "Without fingerprints of its training bars: nobody can tell what it copies."
    )
    command = f"nextbar generate {shlex.quote(file)} --out music"
    return f"""# {Path(file).stem}

A model of [nextbar](https://pypi.org/project/nextbar) {origin.get("nextbar", "")}: `{command}`.
It is a zip of safetensors and JSON; nothing in it is executed. This card was made from `run.json`.

## Data

{_data(corpus, bars_in)}{_base(described)} No tune is contained here. {copies}

## Recipe

Layout {config.layout}, batch {config.batch}, seed {config.seed}, epoch \
{record.read_epoch(folder)}, computed in {origin.get("precision", "float32")} by \
PyTorch {origin.get("torch", "")}; weights in half precision, sha256
`{checkpoint.digest_of(folder)}`.

## Limits

It writes what is like its data, on their grid and in their metres. What it is worth was not \
measured here: `nextbar evaluate` does that.
"""


def _data(corpus: dict[str, object], bars_in: str) -> str:
    metres = f" ({bars_in})" if bars_in else ""
    return (
        f"{corpus.get('source', 'unknown')}: {corpus.get('pieces', 0):,} pieces, "
        f"{corpus.get('bars', 0):,} bars{metres}."
    )


def _base(described: Description) -> str:
    base = described.origin.get("base")
    return f" Adapted from {base['name']}." if base else ""
