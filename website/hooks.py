"""What the site has that docs/ has not: made from the package at each build, so never stale.

The pages are the files of docs/ as a forge shows them. A comment in one, as
``<!-- site: commands -->``, is where the site puts the help of every command or
the reference; a link to the repository goes to its page on the forge
(``repo_url``), or is words where there is none; a notebook becomes a page with
what its last run gave.
"""

import json
import math
import pkgutil
import posixpath
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import symusic
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import nextbar
import nextbar.frames
import nextbar.shipped

ROOT = Path(__file__).parents[1]
HEARD = [
    {
        "name": "jig",
        "title": "A jig",
        "says": "Begun from nothing, by the model of 1,046 fiddle tunes.",
        "command": "nextbar generate fiddle --bars 8 --metre 6/8 --seed 6 --pieces 1 --out music",
    },
    {
        "name": "song",
        "title": "Two hands",
        "says": "Begun from nothing, by the model of 455 songs as pianists accompanied them.",
        "command": "nextbar generate piano --bars 8 --seed 2 --pieces 1 --out music",
    },
    {
        "name": "chorale",
        "title": "Four voices",
        "says": "Begun from nothing, by the model of 413 chorales by Bach.",
        "command": "nextbar generate chorales --bars 6 --seed 2 --pieces 1 --out music",
    },
]
"""What is heard on the first page; each command ends in its folder."""
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((\.\./[^)\s]+)\)")
CARD = re.compile(r"src/nextbar/shipped/(\w+)/card\.md")
DOCUMENT = re.compile(r"\[([\w-]+\.md)\]\(\1")
MARK = re.compile(r"<!-- site: (\w+) -->")
NAME = re.compile(r"`(nextbar\.frames(?:\.\w+)+)`")
ROLE = re.compile(r":(?:func|class|meth|mod|attr|data):(?=<code>)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The configuration, with the pieces that are heard on the first page, written anew."""
    shutil.rmtree(heard_folder(config), ignore_errors=True)
    config.extra["heard"] = [
        {**piece, "roll": roll(write(piece, heard_folder(config)))} for piece in HEARD
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files, a page of each notebook beside it, and the card of each model that comes along."""
    for name in nextbar.shipped.MODELS:
        card = (ROOT / "src/nextbar/shipped" / name / "card.md").read_text("utf-8")
        files.append(File.generated(config, f"models/{name}.md", content=card))
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        text = page_of_notebook(json.loads(file.content_string))
        files.append(File.generated(config, file.src_uri[: -len("ipynb")] + "md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """A page's Markdown, with what is made from the package, and links that lead somewhere."""
    if page.file.src_uri == "index.md":
        page.meta.update(template="home.html", hide=["navigation", "toc"])
        markdown = markdown.partition("\n")[2]  # the template has a title of its own
    made = {"commands": commands, "public": public_names, "core": core_modules}
    markdown = DOCUMENT.sub(lambda found: f"[{title(found[1])}]({found[1]}", markdown)
    markdown = markdown.replace(".ipynb)", ".md)")
    markdown = MARK.sub(lambda found: made[found[1]](), markdown)
    return LINK.sub(lambda found: link(found, page.file.src_uri, config.repo_url), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """A page's HTML, without the roles that docstrings name things by."""
    return ROLE.sub("", html)


def on_post_page(output: str, **_: Any) -> str:
    """A page, whose search has a name that is read aloud; the theme gives it none."""
    dialog = 'data-md-component="search" role="dialog"'
    return output.replace(dialog, f'{dialog} aria-label="Search"')


def title(document: str) -> str:
    """The heading of a document of docs/."""
    return (ROOT / "docs" / document).read_text("utf-8").partition("\n")[0].removeprefix("# ")


def on_post_build(config: MkDocsConfig) -> None:
    """Beside the pages: the model in the browser, as demo/, and the pieces, as heard/."""
    site = Path(config.site_dir)
    demo = nextbar.export_web("fiddle", site / "demo")
    shutil.copyfile(demo / "static" / "icon.svg", site / "assets" / "icon.svg")
    shutil.copytree(heard_folder(config), site / "heard")


def heard_folder(config: MkDocsConfig) -> Path:
    """Where the pieces lie until the site is there."""
    return Path(config.site_dir).with_name("heard")


def write(piece: dict[str, str], folder: Path) -> Path:
    """The MIDI file of a piece, NAME.mid with NAME.wav in the folder, by its own command."""
    from nextbar.cli import main

    made = folder / piece["name"]
    if main([*shlex.split(piece["command"])[1:-1], str(made), "--no-pictures"]):
        raise RuntimeError(piece["command"])
    (midi,) = made.glob("*.mid")
    for path in (midi, midi.with_suffix(".wav")):
        path.rename(folder / f"{piece['name']}{path.suffix}")
    shutil.rmtree(made)
    return folder / f"{piece['name']}.mid"


def roll(midi: Path) -> str:
    """A picture of a MIDI file: SVG, a unit wide for each quarter and high for each semitone."""
    score: Any = symusic.Score(str(midi), ttype="quarter")
    notes = [note for track in score.tracks for note in track.notes]
    high, low = max(note.pitch for note in notes) + 2, min(note.pitch for note in notes) - 1
    signature = score.time_signatures[0]
    bar = 4 * signature.numerator / signature.denominator
    n_bars = math.ceil(max(note.end for note in notes) / bar)
    lines = "".join(f"M{bar * i:g} 0V{high - low}" for i in range(1, n_bars))
    boxes = "".join(
        f'<rect x="{note.start:g}" y="{high - note.pitch - 1}" width="{note.duration - 0.06:g}" '
        'height="1" rx=".12"/>'
        for note in notes
    )
    return (
        f'<svg viewBox="0 0 {n_bars * bar:g} {high - low}" preserveAspectRatio="none" '
        f'aria-hidden="true"><path d="{lines}"/>{boxes}</svg>'
    )


def link(found: re.Match[str], page: str, repository: str | None) -> str:
    """A link out of docs/: to a page of the site that has it, to the forge, or its words alone."""
    is_picture, words, target = found.groups()
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    if path.startswith("docs/"):  # from one folder in docs/ to another
        return found[0]
    if card := CARD.fullmatch(path):
        here = posixpath.dirname(page) or "."
        return f"[{words}]({posixpath.relpath(f'models/{card[1]}.md', here)})"
    if name := NAME.fullmatch(words):
        return f'<autoref optional identifier="{name[1]}"><code>{name[1]}</code></autoref>'
    if not (ROOT / path.partition("#")[0]).exists():
        raise FileNotFoundError(f"{page} links {target}, which is not there")
    if repository and not is_picture:
        return f"[{words}]({repository.rstrip('/')}/blob/HEAD/{path})"
    return words


def commands() -> str:
    """The help of every command, as the command line has it."""
    from nextbar.cli import app

    text = app.generate_docs(heading_level=1)
    return re.sub(r"^## nextbar ", "## ", text[text.index("\n## nextbar ") :], flags=re.MULTILINE)


def public_names() -> str:
    """The reference of every name in ``nextbar/__init__.pyi``: functions, then what they return."""
    stub = (ROOT / "src/nextbar/__init__.pyi").read_text("utf-8")
    found = re.findall(r"^from \.([\w.]+) import (\w+) as \2$", stub, re.MULTILINE)
    names = {
        # The core has a page of its own, where such a name is explained.
        name: f"### {name}\n\n[nextbar.{home}.{name}][]"
        if home.startswith("frames")
        else f"::: nextbar.{home}.{name}"
        for home, name in found
        if home != "_version"
    }
    functions = "\n\n".join(block for name, block in sorted(names.items()) if name[0].islower())
    others = "\n\n".join(block for name, block in sorted(names.items()) if not name[0].islower())
    return f"## Functions\n\n{functions}\n\n## Classes, and the presets\n\n{others}\n"


def core_modules() -> str:
    """The reference of every module of ``nextbar.frames``."""
    names = sorted(module.name for module in pkgutil.iter_modules(nextbar.frames.__path__))
    options = "    options: {heading_level: 2, show_root_full_path: true}"
    return "\n\n".join(f"::: nextbar.frames.{name}\n{options}" for name in names)


def page_of_notebook(notebook: dict[str, Any]) -> str:
    """Markdown of a notebook: its text, its code, and what that gave when it was run."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                drawn = "".join("".join(data["image/png"]).split())
                parts.append(f"![What the cell above drew](data:image/png;base64,{drawn})")
            elif text := "".join(output.get("text") or data.get("text/plain", "")):
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
