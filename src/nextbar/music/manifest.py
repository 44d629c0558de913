"""What a corpus folder says of itself, in JSON and without NumPy.

The arrays beside it, and what all files of a corpus are: :mod:`nextbar.music.corpus`.
"""

import json
from pathlib import Path
from typing import Any, Final

from nextbar.errors import CorpusError

KIND: Final = "nextbar corpus"
FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
REPORT: Final = "prepare-report.html"
FILES: Final = (
    MANIFEST, "notes.npy", "bars.npy", "metres.npy", "pieces.npy", "pieces.jsonl",
    "refused.jsonl", "files.jsonl", REPORT,
)  # fmt: skip


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the corpus in ``path``; CorpusError where that is no corpus of ours."""
    advice = "make a corpus with: nextbar prepare YOUR_FOLDER --out CORPUS"
    if not path.exists():
        raise CorpusError(f"{path} does not exist; {advice}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CorpusError(f"{path} is no corpus, it has no {MANIFEST}; {advice}") from error
    except (OSError, ValueError) as error:
        raise damaged(path, f"{MANIFEST} cannot be read") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise CorpusError(f"{path} is no corpus, its {MANIFEST} is of something else; {advice}")
    if manifest.get("format") != FORMAT:
        raise CorpusError(
            f"{path} is a corpus of format {manifest.get('format')}, this nextbar reads"
            f" format {FORMAT}; prepare it again"
        )
    return manifest


def damaged(path: Path, what: str) -> CorpusError:
    """The error of a corpus of which something is missing or was changed."""
    return CorpusError(f"{path} is damaged: {what}; prepare it again")
