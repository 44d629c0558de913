"""The trained models that come with nextbar; ``card.md`` beside each says what it is."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from nextbar import hub, one_file


class Shipped(NamedTuple):
    """A model that comes along: its run folder, made by ``nextbar export``, and what it plays.

    title: as a musician calls it. plays: a sentence.
    """

    folder: Path
    title: str
    plays: str


_HERE: Final = Path(__file__).parent
MODELS: Final = {
    "fiddle": Shipped(
        _HERE / "fiddle",
        "Fiddle tunes",
        "Reels, hornpipes, jigs and marches for one fiddle, as they were collected in Boston in "
        "1883.",
    ),
    "piano": Shipped(
        _HERE / "piano",
        "Piano",
        "Two hands that accompany a song: chords, basses and broken figures, as they were played.",
    ),
    "chorales": Shipped(
        _HERE / "chorales",
        "Chorales",
        "Four voices, for a choir, an organ or two hands, as Bach set the tunes of his church.",
    ),
}
"""By the names that commands take in the place of a run."""
FOLDER: Final = MODELS["fiddle"].folder
"""The model that is taken where none is named."""


def find_run(run: str | Path | None) -> Path:
    """The folder of a run: its path, the name of a model that comes along, or None for the usual.

    A folder of such a name goes before the model. A model that is one file is unpacked
    (:mod:`nextbar.one_file`), one on a hub fetched (:mod:`nextbar.hub`); RunError where
    it is damaged or none.
    """
    if run is None:
        return FOLDER
    known = MODELS.get(str(run))
    if known is not None and not os.path.exists(run):
        return known.folder
    if hub.is_on_hub(run) and not os.path.exists(run):
        return hub.opened(run)
    return one_file.opened(Path(run)) if os.path.isfile(run) else Path(run)


def name_of(folder: Path) -> str | None:
    """The name of the model that comes along in that folder; None for any other."""
    return next((name for name, each in MODELS.items() if each.folder == folder), None)


def typed_for(folder: Path) -> str:
    """What stands for that folder in a command: a name, the file it was unpacked from, its path."""
    return name_of(folder) or one_file.given_as(folder) or str(folder)
