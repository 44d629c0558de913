"""Train on your own MIDI files, and write new music bar by bar.

import nextbar

corpus = nextbar.prepare("my-midi-files", "corpus")
run = nextbar.train(corpus, "run")
model = nextbar.load("run")
score = model.generate(bars=16, seed=1)     # a symusic.Score
report = nextbar.evaluate("folder-of-midi", reference="corpus")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextbar._version import __version__
    from nextbar.api import (
        begin_from,
        evaluate,
        export,
        fetch,
        generate,
        inspect,
        load,
        prepare,
        train,
    )
    from nextbar.composer import Beginning, Composer, Composition
    from nextbar.errors import NextbarError
    from nextbar.frames.config import PRESETS, Config
    from nextbar.measures.table import Report
    from nextbar.music.corpus import Corpus
    from nextbar.reproduction import Reproduction, reproduce
    from nextbar.runs import Run

__all__ = [
    "PRESETS",
    "Beginning",
    "Composer",
    "Composition",
    "Config",
    "Corpus",
    "NextbarError",
    "Report",
    "Reproduction",
    "Run",
    "__version__",
    "begin_from",
    "evaluate",
    "export",
    "fetch",
    "generate",
    "inspect",
    "load",
    "prepare",
    "reproduce",
    "train",
]

_HOMES = {
    "nextbar._version": ("__version__",),
    "nextbar.api": (
        "begin_from",
        "evaluate",
        "export",
        "fetch",
        "generate",
        "inspect",
        "load",
        "prepare",
        "train",
    ),
    "nextbar.composer": ("Beginning", "Composer", "Composition"),
    "nextbar.errors": ("NextbarError",),
    "nextbar.frames.config": ("PRESETS", "Config"),
    "nextbar.measures.table": ("Report",),
    "nextbar.music.corpus": ("Corpus",),
    "nextbar.reproduction": ("Reproduction", "reproduce"),
    "nextbar.runs": ("Run",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """An exported name, from the module that it is in: PyTorch is loaded by what needs it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
