"""The settings of a record as options of a command, explained where the record explains them."""

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, get_type_hints

from cyclopts import Parameter

from nextbar.frames.config import Config
from nextbar.music.options import CorpusOptions

if TYPE_CHECKING:
    from nextbar.music.options import OptionsGiven


def _as_keywords(of: type, group: str, *, show_defaults: bool) -> Any:
    """A TypedDict of a record's settings, which cyclopts makes options of."""
    hints = get_type_hints(of)
    options = {}
    for each in fields(of):
        shown = show_defaults and each.default is not None and each.default is not False
        options[each.name] = Annotated[
            hints[each.name],
            Parameter(
                help=each.metadata["help"] + (f" [default: {each.default}]" if shown else ""),
                group=group,
                consume_multiple=True,
                negative_iterable=(),
            ),
        ]
    return TypedDict(f"{of.__name__}Given", options, total=False)  # type: ignore[operator]


if TYPE_CHECKING:
    ConfigGiven = dict[str, Any]
    CorpusGiven = OptionsGiven
else:
    from_preset = "Configuration (a preset's values where not given)"
    ConfigGiven = _as_keywords(Config, from_preset, show_defaults=False)
    CorpusGiven = _as_keywords(CorpusOptions, "The corpus", show_defaults=True)
