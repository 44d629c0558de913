"""The frame and the look of the pages that nextbar writes.

A page is one file that needs no other and asks no server for anything: its
style stands in it, its pictures too, and its policy forbids all else. What is
shown came from strangers' files, so whoever makes a page puts every name
through :func:`safe`.
"""

import base64
import html
from typing import Final

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2f3437; background: #fff; margin: 2em auto;
       max-width: 64em; padding: 0 1.2em; }
h1 { font-size: 1.5em; margin-bottom: .2em; overflow-wrap: anywhere; }
h2 { font-size: 1.1em; margin: 2em 0 .4em; }
.quiet, small { color: #6b7176; }
img, svg { max-width: 100%; height: auto; }
code { white-space: nowrap; }
table { border-collapse: collapse; } tr { border-bottom: 1px solid #dcdfe2; }
td, th { padding: .25em 1.2em .25em 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.example { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.figures { width: 100%; }
.figures th:not(:first-child), .figures td:not(:first-child) { padding: .25em 0 .25em 1.2em;
       text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.figures small { display: block; }
.facts { display: flex; flex-wrap: wrap; gap: .4em 2.2em; margin: 1em 0; }
.facts b { display: block; font-size: 1.5em; font-weight: 600; }
.advice { background: #fbf3ea; border-left: 4px solid #c4702b; padding: .6em 1em; }
.advice ul { margin: 0; padding-left: 1.1em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24em, 1fr)); gap: 0 2.5em; }
.charts figure { margin: 0; } .charts svg { width: 100%; }
svg text { font-size: 11px; fill: #6b7176; } svg rect { fill: #1f6f8b; }
"""


def page(title: str, body: str) -> str:
    """A whole page, headed by its title. ``title``: plain text; ``body``: HTML, safe already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{safe(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{safe(title)}</h1>\n{body}\n</body></html>\n"
    )


def picture(png: bytes, words: str) -> str:
    """A PNG as part of a page; ``words`` say what it shows to those who cannot see it."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{safe(words)}" src="data:image/png;base64,{data}">'


def safe(text: str) -> str:
    """The text as HTML that shows it, whatever is in it."""
    return html.escape(printable(text))


def printable(text: str) -> str:
    r"""The text with ``\udcff`` written out for what a file name can hold that is no text."""
    return text.encode("utf-8", "backslashreplace").decode()
