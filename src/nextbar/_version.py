"""The version, written into every artefact."""

from importlib.metadata import version

__version__ = version("nextbar")
