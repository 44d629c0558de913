"""Whether every page of a built site links to what is there, and loads nothing from elsewhere.

    python website/check.py build/site

MkDocs looks at the links of Markdown; this looks at the HTML, so at those of the theme,
the first page and the reference, too. The model in the browser, demo/, is tested elsewhere.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """A page's links, as (where to, whether they are loaded with the page), and its anchors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []
        self.anchors = {"", "__skip"}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes the links and anchors of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if "src" in given:
            self.found.append((given["src"], True))
        if "href" in given and given.get("rel") not in ("canonical", "edit"):
            self.found.append((given["href"], tag == "link"))


def faults(site: Path) -> list[str]:
    """A sentence for each link that leads nowhere, and each thing loaded from elsewhere."""
    pages = [path for path in sorted(site.rglob("*.html")) if "demo" not in path.parts]
    parsed = {path.resolve(): Links(path.read_text("utf-8")) for path in pages}
    found = []
    for page, links in parsed.items():
        name = page.relative_to(site.resolve())
        for link, is_loaded in links.found:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if is_loaded and parts.scheme != "data":
                    found.append(f"{name} loads {link}")
                continue
            target = (page.parent / unquote(parts.path)) if parts.path else page
            if parts.path.startswith("/"):
                target = site / unquote(parts.path[1:])
            target = (target / "index.html" if target.is_dir() else target).resolve()
            if not target.is_file():
                found.append(f"{name} links {link}, which is not there")
            elif target in parsed and unquote(parts.fragment) not in parsed[target].anchors:
                found.append(f"{name} links {link}, where there is no such anchor")
    found += [
        f"{style.relative_to(site)} loads a file from elsewhere"
        for style in site.rglob("*.css")
        if re.search(r"(url\(|@import )[\"']?(https?:)?//", style.read_text("utf-8"))
    ]
    return found


if __name__ == "__main__":
    seen = faults(Path(sys.argv[1]))
    print("\n".join(seen) or "every link leads somewhere, and nothing is loaded from elsewhere")
    sys.exit(bool(seen))
