"""A trained model as a page of its own: a folder that any web host serves, and no server of ours.

It is the studio's page (``static``) with another engine behind the same interface
(``inpage``): the networks in JavaScript and WebAssembly. What is read and written
is the same: a piece's recipe goes from one to the other, and gives the same notes.
"""

import hashlib
import html
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nextbar._version import __version__
from nextbar.errors import UsageError
from nextbar.files import folder_written_whole
from nextbar.frames.config import Config
from nextbar.frames.record import read_description
from nextbar.shipped import MODELS, find_run, name_of
from nextbar.training.export import export_networks

HERE: Final = Path(__file__).parent
STATIC, ENGINE, OFFLINE, INDEX = "static", "inpage", "offline.js", "index.html"
MODEL, CARD, MANIFEST = "model", "card.md", "manifest.webmanifest"
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing from elsewhere. A host may say more in its headers."""
NO_TUNES: Final = "this page has the model alone. Draw some bars, or give a MIDI file."
NO_OTHER_HAND: Final = "The other hand is written in nextbar studio, not on this page."
ABSENT: Final[list[dict[str, str]]] = [
    {
        "these": '[data-kind="wav"], [data-kind="musicxml"], [data-kind="png"]',
        "says": "WAV, MusicXML and PNG are not made on this page. Take the recipe, and open it in "
        "nextbar studio, which makes them.",
        "beside": "#link-line",
    },
    {
        "these": "#drop span",
        "text": "or drop it anywhere: a MIDI file. It stays on this machine.",
        "says": "ABC and MusicXML are read by nextbar studio, which finds the beats of music "
        "that was played freely, too.",
        "beside": "#drop",
    },
    {
        "says": "The page makes its sound by itself, plainer than nextbar studio; the MIDI file "
        "names the instrument.",
        "beside": ".field:has(#instrument)",
    },
    {
        "says": "A piece is measured, and its bars are held against the training tunes, in nextbar "
        "studio.",
        "beside": "#measures",
        "hides": ".card:has(> #measures) > :not(h2, .absent)",
    },
    {
        "says": "A model learns from files of yours in nextbar studio.",
        "beside": "#own-list",
        "hides": "#own-card > :not(h2, .absent)",
    },
]
"""What cannot be done without a server, or is another thing; why, and where that is said."""


def export_web(run: str | Path, out: str | Path) -> Path:
    """The folder ``out``: a page that composes with the run in the browser, offline too.

    run: its folder, or the name of a model that comes along. The model is in half
    precision, as :func:`nextbar.export` makes it: a piece has the notes that the
    exported model writes. Raises RunError for no run, UsageError for networks that
    the page does not have, OutputError where ``out`` is taken.
    """
    run = find_run(run)
    described = read_description(run)
    _check(run, described.config)
    with folder_written_whole(out) as folder:
        export_networks(run, folder / MODEL, beside={})
        if (run / CARD).is_file():
            shutil.copyfile(run / CARD, folder / MODEL / CARD)
        page = _describe(folder / MODEL, run)
        _write_json(folder / MODEL / "page.json", page)
        for part in (STATIC, ENGINE):
            shutil.copytree(
                HERE / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        _write_json(folder / MANIFEST, _manifest(page["runs"][0]["name"]))
        index = (folder / STATIC / INDEX).read_text("utf-8")
        (folder / STATIC / INDEX).unlink()
        (folder / INDEX).write_text(_served_alone(index), "utf-8")
        worker = (folder / ENGINE / OFFLINE).read_text("utf-8")
        (folder / ENGINE / OFFLINE).unlink()
        (folder / OFFLINE).write_text(_knowing(worker, folder), "utf-8")
    return Path(out)


def _check(run: Path, config: Config) -> None:
    """Raises UsageError for networks that are not in the page."""
    why = ""
    if config.layout != "columns":
        why = "is a model in a plane, as the paper's is"
    elif config.attention_heads:
        why = "looks back with attention"
    if why:
        raise UsageError(
            f"{run} {why}, which a web page of nextbar does not have; export one trained with the "
            "preset default or small"
        )


def _describe(model: Path, run: Path) -> dict[str, Any]:
    """What the page has to know: the model, the bounds of its controls, and what is absent."""
    try:
        from nextbar.studio import messages
        from nextbar.studio.desk import Desk
    except ImportError as error:
        raise UsageError(
            f"a web page is the studio's, which needs {error.name}; install it with: "
            "pip install 'nextbar[studio]'"
        ) from error
    known = name_of(run.resolve())
    name = run.resolve().name if known is None else MODELS[known].title
    described = Desk(model, name).describe()
    if known is not None:
        described["plays"] = MODELS[known].plays
    described |= {"tunes": False, "why_no_tunes": NO_TUNES, "knows_copies": False}
    described["why_no_other_hand"] = NO_OTHER_HAND
    return {
        "nextbar": __version__,
        "loading": False,
        "runs": [described],
        "failed": [],
        "controls": messages.CONTROLS,
        "limits": {"given_bars": messages.MOST_GIVEN_BARS, "file_bytes": 4 * 2**20},
        "absent": ABSENT,
    }


def _manifest(name: str) -> dict[str, Any]:
    """What a browser installs the page by."""
    icon = {"src": f"{STATIC}/icon.svg", "sizes": "any", "type": "image/svg+xml"}
    return {
        "name": f"nextbar: {name}",
        "short_name": "nextbar",
        "description": "A small model that writes music bar by bar, on your own machine.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#ffffff",
        "icons": [{**icon, "purpose": purpose} for purpose in ("any", "maskable")],
    }


def _served_alone(index: str) -> str:
    """The page's first file, that says so."""
    by_server = '<meta name="nextbar-engine" content="server">'
    assert by_server in index
    alone = [
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">',
        '<meta name="nextbar-engine" content="page">',
        f'<link rel="manifest" href="{MANIFEST}">',
        f'<link rel="modulepreload" href="{ENGINE}/engine.js">',
    ]
    return index.replace(by_server, "\n  ".join(alone))


def _knowing(worker: str, folder: Path) -> str:
    """The worker that keeps the page offline, with all files, and a version that they decide."""
    names = sorted(_files(folder))
    digest = hashlib.sha256(worker.encode())
    for name in names:
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    unknown = 'const VERSION = "", FILES = [];'
    assert unknown in worker
    known = (
        f"const VERSION = {json.dumps(digest.hexdigest())}, FILES = {json.dumps(['./', *names])};"
    )
    return worker.replace(unknown, known)


def _files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
