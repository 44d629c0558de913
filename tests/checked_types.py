"""What the import hook of ``conftest.py`` puts around every function of a room."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand for a float
"""Raises where an argument or a result has not the type, or the shape, that is annotated."""
