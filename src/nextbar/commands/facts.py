"""inspect, doctor: what is there."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import nextbar
from nextbar import screen
from nextbar.errors import NextbarError
from nextbar.screen import console


def inspect(
    path: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
) -> None:
    """Show what a corpus or a run is, what it was made from, and how it went.

    Parameters
    ----------
    path
        A folder made by `nextbar prepare` or `nextbar train`.
    as_json
        Print everything as JSON.
    """
    facts = nextbar.inspect(path)
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        screen.show_facts(console, facts)


def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """Show what is there on this machine, and what to do about what is missing.

    Ends with exit code 1 where nothing works without it.

    Parameters
    ----------
    as_json
        Print everything as JSON.
    """
    from nextbar.doctor import facts, to_json

    found = facts(Path.cwd())
    if as_json:
        sys.stdout.write(json.dumps(to_json(found), indent=2) + "\n")
    else:
        for fact in found:
            screen.say(console, f"{fact.what:12} {fact.found}")
            if fact.advice:
                screen.say(console, f"{'':12} -> {fact.advice}", style="yellow")
    needed = [fact.what for fact in found if fact.is_needed]
    if needed:
        raise NextbarError(f"{', '.join(needed)}: see above; nothing works without it")
