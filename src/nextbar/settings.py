"""Records of settings: each is explained, bounded and given its default once, where it is declared.

The command line, the Python API, the studio and the folders that are written
take words, bounds and defaults from there.
"""

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from typing import Any, Literal, get_type_hints

from nextbar.errors import UsageError


def setting(
    default: Any,
    explained: str,
    *,
    low: float | None = None,
    high: float | None = None,
    **more: Any,
) -> Any:
    """A field with its explanation and bounds. more: what else is to be known of it."""
    return field(default=default, metadata={"help": explained, "low": low, "high": high, **more})


def bounds(of: type, name: str) -> tuple[Any, Any]:
    """The least and the greatest value that a setting takes."""
    metadata = _metadata(of, name)
    return metadata["low"], metadata["high"]


def explanation(of: type, name: str) -> str:
    """What a setting is, in words."""
    return str(_metadata(of, name)["help"])


def _metadata(of: type, name: str) -> Mapping[str, Any]:
    (found,) = (each.metadata for each in fields(of) if each.name == name)
    return found


def check_settings(record: Any, error: type[UsageError]) -> None:
    """Brings every setting to its type; raises the error where that cannot be, or it is too far."""
    hints = get_type_hints(type(record))
    for each in fields(record):
        value = _as_type(each.name, getattr(record, each.name), hints[each.name], error)
        if value == () != each.default:
            raise error(f"{each.name}: it needs a number at least")
        low, high = each.metadata["low"], each.metadata["high"]
        for item in value if isinstance(value, tuple) else (value,):
            # Written so that not-a-number fails too.
            if low is not None and not low <= item <= high:
                shown = (str(x) if isinstance(x, int) else f"{x:g}" for x in (item, low, high))
                raise error("{}: {} is not between {} and {}".format(each.name, *shown))
        object.__setattr__(record, each.name, value)


def check_names(of: type, names: Iterable[str], what: str, error: type[UsageError]) -> None:
    """Raises the error for a name that no setting has, with the nearest that one has."""
    known = [each.name for each in fields(of)]
    for name in names:
        if name not in known:
            raise error(f"no {what} {name!r}; {nearest(name, known)}")


def nearest(name: str, names: list[str]) -> str:
    """A question after the nearest of the names, or all of them."""
    import difflib  # for mistakes alone; it is slow to load

    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"


def _as_type(name: str, value: Any, wanted: Any, error: type[UsageError]) -> Any:
    """The value as the setting's type; whole floats pass for int, lists for tuples."""
    if isinstance(wanted, types.UnionType):
        kinds = typing.get_args(wanted)
        wanted = next((kind for kind in kinds if type(value) is kind), kinds[0])
    if wanted in (str, types.NoneType) and isinstance(value, wanted):
        return value
    if isinstance(wanted, types.GenericAlias):  # tuple[int, ...]
        if not isinstance(value, list | tuple):
            raise error(f"{name}: {value!r} is not a list of whole numbers")
        return tuple(_as_type(name, item, int, error) for item in value)
    if typing.get_origin(wanted) is Literal:
        choices = typing.get_args(wanted)
        if value not in choices:
            raise error(f"{name}: {value!r} is none of {', '.join(choices)}")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        wanted is int
        and is_number
        and value == value
        and abs(value) < 2**64
        and int(value) == value
    ):
        return int(value)
    if wanted is float and is_number:
        return float(value)
    if wanted is bool and isinstance(value, bool):
        return value
    kind = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[wanted]
    raise error(f"{name}: {value!r} is not {kind}")
