"""The frame of the pages that nextbar writes."""

import base64
import re

from nextbar.pages import page, picture, printable, safe

HOSTILE = "<img src=x onerror='alert(1)'>&\"\udcff"


def test_a_page_asks_for_nothing_and_shows_its_title_as_text():
    text = page(HOSTILE, "<p>body</p>")
    assert text.count(safe(HOSTILE)) == 2  # in the head, and as heading
    assert HOSTILE not in text
    assert "<p>body</p>" in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"@import|url\(|<(?!/?(?:p|h1|html|head|body|meta|title|style)\b)\w", text)
    assert text.encode().decode() == text  # it can be written, whatever the title


def test_all_that_html_reads_is_written_out():
    assert safe(HOSTILE) == "&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;&amp;&quot;\\udcff"
    assert printable("a\udcffb é") == "a\\udcffb é"


def test_a_picture_stands_in_the_page_with_words_for_those_who_cannot_see_it():
    tag = picture(b"\x89PNG", 'rolls of "<a>"')
    data = re.fullmatch(r'<img alt="rolls of &quot;&lt;a&gt;&quot;" src="(.*)">', tag)[1]
    assert base64.b64decode(data.removeprefix("data:image/png;base64,")) == b"\x89PNG"
