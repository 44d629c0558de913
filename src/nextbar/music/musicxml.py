"""MusicXML -> MIDI, by music21 where it is installed."""

import importlib.util
import io
import re
import zipfile
from typing import Any, Final
from xml.etree import ElementTree

from nextbar.errors import MusicFileError

SUFFIXES: Final = (".musicxml", ".xml", ".mxl")
LARGEST_TEXT_BYTES: Final = 64 * 2**20
_ROOT: Final = re.compile(rb"<score-(partwise|timewise)[\s>]")


def convert_musicxml(data: bytes, name: str) -> tuple[bytes, float]:
    """The music as the bytes of a MIDI file, and its pickup in quarters.

    data: the file's bytes, plain or as .mxl. Repeats are played. Raises
    MusicFileError: "not MusicXML", "damaged archive", "needs music21", "damaged".
    """
    text = _unzip(data, name) if data[:4] == b"PK\x03\x04" else data
    if not _ROOT.search(text.replace(b"\0", b"")[: 2**16]):
        raise _refuse(name, "not MusicXML", "it has no score-partwise or score-timewise in it")
    if importlib.util.find_spec("music21") is None:
        why = "MusicXML is read by music21; install it with: pip install 'nextbar[folk]'"
        raise _refuse(name, "needs music21", why)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _through_music21(text)
        except MemoryError:
            raise
        except Exception as error:  # music21 raises whatever it meets
            why = f"music21 cannot read it ({type(error).__name__}: {error})"[:300]
            raise _refuse(name, "damaged", why) from error


def _through_music21(text: bytes) -> tuple[bytes, float]:
    from music21 import converter, midi

    score: Any = converter.parseData(text, format="musicxml")
    pickup = 0.0
    for part in score.parts:
        first = part.getElementsByClass("Measure").first()
        if first is not None:
            whole, there = first.barDuration.quarterLength, first.highestTime
            pickup = float(there) if 0 < there < whole and first.paddingRight == 0 else 0.0
        break
    return bytes(midi.translate.music21ObjectToMidiFile(score).writestr()), pickup


def _unzip(data: bytes, name: str) -> bytes:
    """The score inside a .mxl file, which is a zip archive with a table of contents."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = ElementTree.fromstring(_read_member(archive, "META-INF/container.xml"))
            files = [e.get("full-path") for e in contents.iter() if e.tag.endswith("rootfile")]
            return _read_member(archive, files[0] or "")
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, ElementTree.ParseError) as error:
        why = f"it is no .mxl archive, or damaged ({error})"
        raise _refuse(name, "damaged archive", why) from error


def _read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    with archive.open(member) as file:
        data = file.read(LARGEST_TEXT_BYTES + 1)
    if len(data) > LARGEST_TEXT_BYTES:
        raise ValueError(f"its score has over {LARGEST_TEXT_BYTES // 2**20} MB")
    return data


def _refuse(name: str, reason: str, why: str) -> MusicFileError:
    return MusicFileError(f"{name}: {why}", reason=reason, name=name)
