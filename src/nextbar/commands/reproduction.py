"""reproduce: the paper's experiment from its data to its table, and the systems beside it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import nextbar
from nextbar import screen
from nextbar.commands.options import ConfigGiven
from nextbar.screen import console


def reproduce(
    out: Path,
    /,
    *,
    data: Path | None = None,
    pieces: int = 2500,
    device: str = "auto",
    devices: int | None = None,
    overrides: Annotated[ConfigGiven | None, Parameter(name="*")] = None,
) -> None:
    """Repeat the experiment of the paper, from its data to its table and figures.

    What is done already is not done again; Ctrl-C stops, and the same command goes on. Give fewer
    epochs for a first look.

    Example: nextbar reproduce reproduction --epochs 10

    Parameters
    ----------
    out
        The folder for all of it.
    data
        A folder with the 524 MIDI files; by default they are downloaded.
    pieces
        How many by each of the two testing models.
    device
        auto, cpu, cuda, mps, ...
    devices
        Processes that train together on this machine, one a device.
    overrides
        Fields of the configuration, by name. The paper has 300 epochs; a run that exists goes on
        up to the number given.
    """
    with screen.progress_bar(console, "training") as update:
        done = nextbar.reproduce(
            out,
            data=data,
            pieces=pieces,
            device=device,
            devices=devices,
            train_progress=screen.training_progress(console, update),
            say=_say,
            **(overrides or {}),
        )
    if done is None:
        return
    console.print(screen.text_table(f"after {done.epoch} epochs", done.table))
    screen.say(console, f"figures, table, first ten pieces: {done.folder}")


def peers(
    out: Path = Path("peers"),
    /,
    *,
    data: Path | None = None,
    minutes: float = 10,
    pieces: int = 2500,
    seed: int = 0,
) -> None:
    """Train the systems that the paper names on its bars, and show them in one table.

    They are pages of the repository and no part of the package: this works in a clone. What is done
    already is not done again; Ctrl-C stops, and the same command goes on.

    Example: nextbar reproduce peers --minutes 1 --pieces 1000

    Parameters
    ----------
    out
        The folder for all of it.
    data
        A folder with the 524 MIDI files; by default they are downloaded.
    minutes
        Of one core, for each of them to train in.
    pieces
        How many each writes.
    seed
        Decides all that is drawn.
    """
    from nextbar.reproduction import reproduce_peers

    reproduce_peers(out, data=data, minutes=minutes, pieces=pieces, seed=seed, say=_say)


def _say(sentence: str) -> None:
    screen.say(console, sentence, style="bold")
