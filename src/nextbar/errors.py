"""The tree of errors that nextbar raises for what a caller can mend.

    NextbarError
    ├── UsageError        a value or an option that makes no sense        (exit code 2)
    │   ├── ConfigError   a field of a configuration, or its value
    │   └── TooLongError  music that is too long for what is to be made of it
    ├── MusicFileError    a music file that is refused; carries a short reason
    ├── CorpusError       a folder that is no corpus, or one too small for the task
    ├── RunError          a folder that is no run, or one that is damaged or of another kind
    ├── FetchError        what could not be downloaded, or is not what it should be
    ├── TrainingError     training that cannot go on (not-a-number, divergence)
    ├── CopiedError       music that is copied where none may be
    └── OutputError       something that could not be written

Each message says what, where, what was seen, and what to do. Anything else
that escapes is a defect of nextbar.
"""


class NextbarError(Exception):
    """The root: ``except NextbarError`` catches all that a user can mend."""


class UsageError(NextbarError):
    """A value or an option that makes no sense."""


class ConfigError(UsageError):
    """A configuration field that does not exist, or a value it cannot take."""


class TooLongError(UsageError):
    """Music that is too long for what is to be made of it, as sound; the rest can be made."""


class MusicFileError(NextbarError):
    """A music file, or a tune in it, that is refused.

    ``reason`` is the short, countable form ("no notes"); the message is the whole sentence.
    ``name`` is the file, with ``#3`` for tune 3 of many; empty where it is not known.
    """

    def __init__(self, message: str, *, reason: str, name: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.name = name


class CorpusError(NextbarError):
    """A folder that is not a corpus, or a corpus too small for the task."""


class RunError(NextbarError):
    """A folder that is not a run, or a run that is damaged or of another kind."""


class FetchError(NextbarError):
    """A collection or a model that could not be downloaded, or is not what it should be."""


class TrainingError(NextbarError):
    """Training that cannot go on."""


class CopiedError(NextbarError):
    """Music that has bars or phrases of the training tunes, where none may be copied."""


class OutputError(NextbarError):
    """Something that could not be written: no permission, no space."""
