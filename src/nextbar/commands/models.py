"""train, adapt, mix, export: from a corpus or another model to a model."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

import nextbar
from nextbar import screen
from nextbar.commands.options import ConfigGiven
from nextbar.errors import ConfigError, UsageError
from nextbar.screen import console


def train(
    corpus: Path,
    /,
    *,
    out: Path,
    preset: str | None = None,
    config: Path | None = None,
    device: str = "auto",
    devices: int | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    checkpoint_epochs: int = 1,
    sample_epochs: int = 5,
    overrides: Annotated[ConfigGiven | None, Parameter(name="*")] = None,
) -> None:
    """Train a model on a corpus; a run that exists is continued.

    Ctrl-C stops with a checkpoint; the same command goes on from there.

    Example: nextbar train corpus --out run

    Parameters
    ----------
    corpus
        A folder made by `nextbar prepare`.
    out
        The folder of the run, new or to be continued.
    preset
        Where the configuration starts from: default, small (the same in fewer epochs) or paper.
    config
        A JSON or TOML file of configuration fields.
    device
        auto, cpu, cuda, mps, ...
    devices
        Processes that train together on this machine, one a device; under torchrun or SLURM as
        many as that has started.
    precision
        What networks compute in; by default what the run was begun with, at first bfloat16 where
        the processor has it.
    checkpoint_epochs
        Epochs between two checkpoints.
    sample_epochs
        Epochs between two pictures of what the model writes.
    overrides
        Fields of the configuration, by name.
    """
    chosen = {**_read_config(config), **(overrides or {})}
    with screen.progress_bar(console, "training") as update:
        run = nextbar.train(
            corpus,
            out,
            preset=preset,
            config=chosen,
            device=device,
            devices=devices,
            precision=precision,
            checkpoint_epochs=checkpoint_epochs,
            sample_epochs=sample_epochs,
            progress=screen.training_progress(console, update),
            phrase_progress=screen.phrase_progress(update),
            pointer_progress=screen.pointer_progress(update),
        )
    if not run.is_first:
        return
    screen.say(
        console,
        f"trained {run.epoch} epochs\nrun:    {out}\n"
        f"next:   nextbar generate {shlex.quote(str(out))} --out FOLDER",
    )


def _read_config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is neither JSON nor TOML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: holds no configuration fields, like {{"epochs": 20}}')
    return values


def adapt(
    base: Path,
    folder: Path,
    /,
    *,
    out: Path,
    track: str = "all",
    share: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Make a model write like a few files of yours, in minutes: 1 to 50 of them.

    It stops by itself, by what a held-back piece costs. Ctrl-C stops with a checkpoint; the same
    command goes on from there. The base stays as it is.

    Example: nextbar adapt fiddle my-five-tunes --out mine

    Parameters
    ----------
    base
        A run, a model that was exported, or the name of one that comes with nextbar.
    folder
        A folder of music files. They are read with the base's grid, key and metres.
    out
        The folder of the run, new or to be continued.
    track
        Of the files: all but drums, melody, the number of a track that has notes, or a part of
        its name.
    share
        How much of what was learned is taken, from 0, the base, to 1, all; by default as much as
        leaves the base's own style as it was, nearly.
    seed
        Decides everything that is random.
    device
        auto, cpu, cuda, mps, ...
    """
    with screen.progress_bar(console, "adapting") as update:
        run = nextbar.adapt(
            base,
            folder,
            out,
            track=track,
            share=share,
            seed=seed,
            device=device,
            progress=screen.training_progress(console, update),
            say=lambda sentence: screen.say(console, sentence),
        )
    screen.say(
        console,
        f"run:    {run.path}\n"
        f"next:   nextbar generate {shlex.quote(str(out))} --out FOLDER --no-copies",
    )


def mix(base: Path, adapted: Path, /, *, out: Path, share: float = 0.5) -> None:
    """Make a model between a base and what was adapted from it: so much of the one, so much of
    the other.

    Example: nextbar mix fiddle mine --share 0.5 --out half

    Parameters
    ----------
    base
        What was adapted: a run, a model that was exported, or the name of one that comes along.
    adapted
        The folder that nextbar adapt made of it.
    out
        The folder to write to, which must not exist.
    share
        How much of the adapted one: 0 is the base, 1 the adapted one.
    """
    folder = nextbar.mix(base, adapted, out, share=share)
    screen.say(
        console,
        f"model:  {folder}\nnext:   nextbar generate {shlex.quote(str(folder))} --out FOLDER",
    )


def export(
    run: Path,
    /,
    *,
    out: Path | None = None,
    web: Path | None = None,
    push: str | None = None,
    private: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Make a small copy of a trained model, or a web page on which it composes, to give away.

    The copy writes, but cannot be trained on. Fingerprints of its training bars go along:
    whoever has it can ask for no copies. A name that ends in .nextbar makes one file of it, which
    every command opens in the place of a run. The page needs no server: see docs/web.md.

    Example: nextbar export run --out my-model.nextbar

    Example: nextbar export run --web my-page

    Example: nextbar export run --push OWNER/NAME

    Parameters
    ----------
    run
        A folder made by `nextbar train`, a file MODEL.nextbar, or the name of a model that comes
        with nextbar.
    out
        The file (MODEL.nextbar) or the folder to write the copy to, which must not exist.
    web
        The folder to write the page to, which must not exist; any web host can serve it.
    push
        OWNER/NAME on a hub of models, to which the one file and its card are sent. Everybody can
        then name it as hub:OWNER/NAME in the place of a run. Needs the extra hub, and that
        you are logged in there: see docs/your-files.md.
    private
        Where --push makes the repository, nobody else can see it.
    """
    if out is None and web is None and push is None:
        raise UsageError(
            "export: say where to: --out MODEL.nextbar for a copy, --web FOLDER for a page, "
            "--push OWNER/NAME for a hub"
        )
    if out is not None:
        _export_copy(run, out)
    if web is not None:
        folder = nextbar.export_web(run, web)
        screen.say(
            console,
            f"page:   {folder}, {_megabytes(folder):.1f} MB\n"
            f"look:   python -m http.server --directory {shlex.quote(str(folder))}",
        )
    if push is not None:
        name = nextbar.push(run, push, private=private)
        screen.say(console, f"model:  {name}\nnext:   nextbar generate {name} --out FOLDER")


def _export_copy(run: Path, out: Path) -> None:
    made = nextbar.export(run, out)
    from nextbar.measures.fingerprints import FILE
    from nextbar.shipped import find_run

    if not (find_run(made) / FILE).exists():
        screen.say(
            console,
            "without fingerprints: the corpus is not at hand, so nobody can ask this model for no "
            "copies; export it where its corpus is",
            style="yellow",
        )
    screen.say(
        console,
        f"model:  {made}, {_megabytes(made):.1f} MB\n"
        f"next:   nextbar generate {shlex.quote(str(made))} --out FOLDER",
    )


def _megabytes(made: Path) -> float:
    files = [made] if made.is_file() else [each for each in made.rglob("*") if each.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6
