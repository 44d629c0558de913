# The one list of public names: `__init__.py` reads it, and takes each name from its home when
# it is asked for.
from ._version import __version__ as __version__
from .errors import CopiedError as CopiedError
from .errors import NextbarError as NextbarError
from .frames.config import Config as Config
from .judging import evaluate as evaluate
from .measures.table import Report as Report
from .music.corpus import Corpus as Corpus
from .music.options import CorpusOptions as CorpusOptions
from .music.prepare import merge as merge
from .music.prepare import prepare as prepare
from .music.public_data import fetch as fetch
from .reproduction import Reproduction as Reproduction
from .reproduction import reproduce as reproduce
from .training.inspect import inspect as inspect
from .training.presets import PRESETS as PRESETS
from .training.run import Run as Run
from .training.run import export as export
from .training.run import train as train
from .writing.beginning import begin_from as begin_from
from .writing.composer import Composer as Composer
from .writing.composer import load as load
from .writing.generate import generate as generate
from .writing.piece import Beginning as Beginning
from .writing.piece import Composition as Composition
from .writing.verify import Certificate as Certificate
from .writing.verify import verify as verify
