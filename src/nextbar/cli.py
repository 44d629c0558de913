"""The command line: the commands in their order, and what becomes of a failure.

Exit codes: 0, done; 1, failed, and a sentence says why; 2, the command itself
makes no sense; 130, interrupted.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import cyclopts
from cyclopts import App
from rich.console import Console

import nextbar
from nextbar import screen
from nextbar.commands.corpora import fetch, merge, prepare
from nextbar.commands.facts import doctor, inspect
from nextbar.commands.models import adapt, export, mix, train
from nextbar.commands.pieces import evaluate, generate, verify
from nextbar.commands.reproduction import peers, reproduce
from nextbar.errors import NextbarError, UsageError
from nextbar.jam.command import jam
from nextbar.screen import console
from nextbar.studio.command import studio

app = App(
    name="nextbar",
    version=lambda: nextbar.__version__,
    help_format="plaintext",
    help="Train on your own MIDI files, and write new music bar by bar.\n\n"
    "Begin with `nextbar demo`, or with your own files: prepare, train, generate, evaluate.",
)

SAMPLING = "--pieces 8"
DEMO = (
    ("Real folk tunes, which the package music21 brings along, become a corpus of bars.",
     "prepare music21:ryansMammoth --out {out}/corpus"),
    ("A small model learns from every bar what the next one is like.",
     "train {out}/corpus --out {out}/run --preset small"),
    ("It goes on from real bars of tunes it has never seen ...",
     "generate {out}/run --out {out}/music --from-bar held-out --bars 7 " + SAMPLING),
    ("... and begins from nothing.",
     "generate {out}/run --out {out}/music --bars 8 " + SAMPLING),
    ("How good is that? Beside real tunes, and beside chance:",
     "evaluate {out}/music"),
)  # fmt: skip


def demo(*, out: Path = Path("demo")) -> None:
    """From real folk tunes to new music, in a few minutes: each command is shown as it runs.

    Parameters
    ----------
    out
        The folder for all that is made.
    """
    from nextbar.writing.folder import SHEET

    for sentence, command in DEMO:
        words = [word.format(out=out) for word in command.split()]
        screen.say(console, f"\n{sentence}", style="bold")
        screen.say(console, f"$ nextbar {shlex.join(words)}", style="cyan")
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    screen.say(
        console,
        f"\nListen: the .wav files in {out / 'music'} (held-out-*: the first bar is real; "
        f"noise-*: all is new)\nLook:   {out / 'music' / SHEET}\nUse:    the .mid files open in "
        "any music program\n\nTry next:\n"
        f"  nextbar generate {out / 'run'} --out more --from-bar YOUR_FILE.mid --bars 16\n"
        f"  nextbar generate {out / 'run'} --out more --temperature 1 --seed 100\n"
        "  nextbar prepare YOUR_MIDI_FOLDER --out corpus",
    )


def _explained(function: Callable[..., None]) -> Callable[..., None]:
    """The function with each paragraph of its docstring as wide as the screen."""
    assert function.__doc__
    function.__doc__ = re.sub(
        r"(?m)^( *)[^\s-].*(?:\n\1[^\s-].*)+",
        lambda paragraph: paragraph[1] + " ".join(paragraph[0].split()),
        function.__doc__,
    )
    return function


for _each in (
    fetch, prepare, merge, train, adapt, mix, export, generate, evaluate, verify, inspect, doctor,
    demo, studio, jam,
):  # fmt: skip
    app.command(_explained(_each))
reproduction = App(name="reproduce", default_command=_explained(reproduce))
reproduction.command(_explained(peers))
app.command(reproduction)


def main(words: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        return _fail(str(error), 2)
    except UsageError as error:
        return _fail(str(error), 2)
    except NextbarError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; what was finished is kept, the same command goes on", 130)
    return 0


def _fail(message: str, code: int) -> int:
    screen.say(Console(stderr=True), f"nextbar: {message}", style="red")
    return code
