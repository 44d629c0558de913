"""Scores -> MusicXML, for notation programs: by music21, the extra ``folk``."""

from typing import Any, Final

from symusic.core import ScoreTick

from nextbar.errors import UsageError

SUFFIX: Final = ".musicxml"


def musicxml_bytes(score: ScoreTick, title: str) -> bytes:
    """The score as a MusicXML document, UTF-8, its notes in bars with beams and ties.

    Music without notes gives empty bars. Raises UsageError where music21 is
    not installed.
    """
    converter, exporter, metadata = _load_music21()
    sheet = converter.parseData(score.dumps_midi(), format="midi")
    sheet.insert(0, metadata.Metadata(title=title, composer="nextbar"))
    document: bytes = exporter.GeneralObjectExporter(sheet).parse()
    return document


def _load_music21() -> tuple[Any, Any, Any]:
    try:
        from music21 import converter, metadata
        from music21.musicxml import m21ToXml
    except ImportError as error:
        raise UsageError(
            "MusicXML needs music21, which is not installed; install it with: "
            "pip install 'nextbar[folk]'"
        ) from error
    return converter, m21ToXml, metadata
