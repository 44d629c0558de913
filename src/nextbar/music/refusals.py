"""Why a music file is refused, and what to do about it in the command that was typed."""

from typing import Final, Literal, NamedTuple

from nextbar.errors import MusicFileError

Command = Literal["prepare", "generate"]
"""What a file is read for: to be in a corpus, or to be gone on from by a model."""


class Advice(NamedTuple):
    """What to do, by what the file is read for."""

    prepare: str
    generate: str


def _both(advice: str) -> Advice:
    return Advice(advice, advice)


_SAVE_ANEW: Final = _both("save it anew from a music program")
_SMALLER: Final = Advice("split it into smaller files", "give a part of it as a file of its own")

ADVICE: Final[dict[str, Advice]] = {
    # the file
    "unreadable": _both("check its path, and whether you may read it"),
    "empty file": _SAVE_ANEW,
    "too large": _SMALLER,
    "duplicate": Advice("--duplicates keep takes both", "give one of them"),
    "damaged": _SAVE_ANEW,
    "not a MIDI file": _both("save it as MIDI from a music program"),
    "not MusicXML": _both("export it as MusicXML from a notation program"),
    "not kern": _both("export it as MusicXML from a notation program"),
    "no tune": _both("begin each tune with a line X:1 and end its head with a line K:C"),
    "no such tune": _both("choose one that there is"),
    "needs music21": _both("install it with: pip install 'nextbar[folk]'"),
    "time in frames": _both("save it anew with times in beats"),
    "no time division": _SAVE_ANEW,
    "crashed the reader": _SAVE_ANEW,
    "took too long": _SMALLER,
    "needs too much memory": _SMALLER,
    # its archive
    "damaged archive": _both("pack it anew"),
    "zip bomb": _both("unpack it yourself, if you trust it"),
    "unsafe path": _both("pack it anew with paths that stay inside"),
    "link": _both("put the file itself into the archive"),
    "encrypted": _both("unpack it first"),
    # its notes
    "no notes": _both("choose another track with --track, or leave it out"),
    "only drums": _both("--track drums takes them as pitches"),
    "no such track": _both("choose another with --track, or leave --track out"),
    "bad times": _SAVE_ANEW,
    "too long": _both("cut it, or delete the stray event at its end"),
    # its beats
    "bad beat file": Advice(
        "correct it, take it away, or --beats stated", "correct it, or take it away"
    ),
    "no beats": Advice(
        "put a beat file beside it (SONG.beats.txt), or --beats auto takes it as it states",
        "put a beat file beside it (SONG.beats.txt: for each beat its seconds and its number in "
        "the bar)",
    ),
    # its metre
    "unusable metre": _both("correct its time signature in a music program"),
    "metre": Advice(
        "leave --metre out to take every metre, or use --metre {0}",
        "give a piece in the metre of the model, or train one on pieces in {0}",
    ),
    "fewer than": Advice("--min-bars 1 takes it", "give a longer piece"),
}
"""By reason; ``metre 6/8`` and ``fewer than 2 bars`` are found by how they begin."""


def refuse(name: str, reason: str, why: str) -> MusicFileError:
    """The error by which ``name`` is refused: a countable reason, and why in a sentence."""
    return MusicFileError(f"{name}: {why}", reason=reason, name=name)


def advice_on(reason: str, command: Command = "prepare") -> str:
    """What to do about a reason, "" for one that is not in the table."""
    if reason in ADVICE:
        return str(getattr(ADVICE[reason], command))
    for beginning in ("metre", "fewer than"):
        if reason.startswith(f"{beginning} "):
            detail = reason.removeprefix(f"{beginning} ")
            return str(getattr(ADVICE[beginning], command)).format(detail)
    return ""


def with_advice(error: MusicFileError, command: Command = "prepare") -> str:
    """The error's sentence, and what to do about it in the command that was typed."""
    advice = advice_on(error.reason, command)
    return f"{error}; {advice}" if advice else str(error)
