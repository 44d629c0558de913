"""A run to give away, as a folder or as one file, with a card that says what it is."""

import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from nextbar import hub, one_file
from nextbar.errors import OutputError, RunError
from nextbar.frames import checkpoint, record
from nextbar.frames.record import Description
from nextbar.measures.bands import FILE as BANDS
from nextbar.measures.bands import bands_of
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.measures.fingerprints import fingerprints_of
from nextbar.shipped import find_run


def export(run: str | Path, out: str | Path) -> Path:
    """``out``: a small run to give away; where it ends in ``.nextbar`` one file, else a folder.

    It writes what the other writes, nearly: encoder, generator and posterior are in
    half precision, an eighth of the size; so pieces are alike but not always the same to
    the note. Paths on this machine are left out; without its corpus it cannot begin from
    held-out bars, nor be trained on; it can be adapted. Fingerprints of the training bars
    go along, where they or the corpus are at hand, by which it can be told without the
    tunes what is a copy (``measures.fingerprints``), and so do the ranges in which
    held-out music lies (``measures.bands``), where there is enough of it.

    The file also has ``card.md``, the run's own where it has one. Every command that takes
    a run opens such a file (:mod:`nextbar.one_file`). The same run gives the same bytes.

    run: also the name of a model that comes along. Raises RunError for no run,
    OutputError where ``out`` is taken or cannot be written.
    """
    path = Path(out)
    if path.suffix != one_file.SUFFIX:
        found = find_run(run)
        export_networks(found, path, _beside(found))
        return path
    one_file.check_free(path)
    _export_one_file(find_run(run), path)
    return path


def push(run: str | Path, repository: str, *, private: bool = False) -> str:
    """Puts a run as one file on a hub; returns its name there, ``hub:OWNER/NAME@COMMIT``.

    repository: OWNER/NAME. It is made where there is none, for everybody to see unless
    ``private``; what was in it of the name is a new commit. The card becomes its page. Needs
    the extra ``hub`` and a token that its client knows (``hf auth login``, or ``HF_TOKEN``).
    Raises RunError for no run, UsageError without the extra, OutputError where the hub does not
    take it.
    """
    hub.check(repository)
    found = find_run(run)
    with tempfile.TemporaryDirectory(prefix="nextbar-export-") as above:
        file = Path(above) / f"{repository.partition('/')[2]}{one_file.SUFFIX}"
        card = _export_one_file(found, file)
        return hub.publish(file, card, repository, private=private)


def _export_one_file(found: Path, path: Path) -> str:
    """Writes the file, and returns its card."""
    try:
        with tempfile.TemporaryDirectory(prefix="nextbar-export-") as above:
            folder = Path(above) / "model"
            export_networks(found, folder, _beside(found))
            own = found / one_file.CARD
            card = own.read_text("utf-8") if own.is_file() else _card(folder, path.name)
            one_file.write_one_file(path, folder, card)
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} could not be written: {error}") from error
    return card


def export_networks(run: Path, out: Path, beside: dict[str, bytes]) -> None:
    """Writes the networks of a run, and what it says of itself, into the folder ``out``.

    beside: files that go along, by name. Raises what :func:`export` raises.
    """
    origin = record.read_description(run).origin
    corpus: dict[str, Any] = {
        name: x for name, x in origin.get("corpus", {}).items() if name != "path"
    }
    source = str(corpus.get("source", ""))
    if Path(source).is_absolute():
        corpus["source"] = Path(source).name
    checkpoint.export_model(run, out, {**origin, "corpus": corpus}, beside)


def _beside(run: Path) -> dict[str, bytes]:
    """What is kept of the tunes, which takes a while where it is to be made of them."""
    origin = record.read_description(run).origin
    beside = {}
    with suppress(RunError):  # what is exported then says so, when it is asked for no copies
        beside[FINGERPRINTS] = fingerprints_of(run, origin).to_bytes()
    bands = bands_of(run, origin)
    if bands.ranges:
        beside[BANDS] = bands.to_bytes()
    return beside


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
