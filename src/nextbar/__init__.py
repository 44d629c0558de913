"""Train on your own MIDI files, and write new music bar by bar.

import nextbar

corpus = nextbar.prepare("my-midi-files", "corpus")
run = nextbar.train(corpus, "run")
model = nextbar.load("run")
score = model.generate(bars=16, seed=1)     # a symusic.Score
report = nextbar.evaluate("folder-of-midi", reference="corpus")
"""

from nextbar._version import __version__
from nextbar.api import begin_from, evaluate, fetch, generate, inspect, load, prepare, train
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
    "fetch",
    "generate",
    "inspect",
    "load",
    "prepare",
    "reproduce",
    "train",
]
