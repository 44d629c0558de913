"""Where real music lies, kept with a model whose tunes are not there."""

import json
import math

import numpy as np
import pytest

from nextbar.errors import RunError
from nextbar.measures.bands import FEWEST, FILE, Bands, bands_of, ranges_of
from nextbar.measures.beside import real_values
from nextbar.measures.pieces import Piece

from .small_pieces import make_notes

WALTZ, MARCH = (3, 4), (2, 4)


def tune(n_bars, metre, n_notes):
    """Bars of so many notes each, on the first steps."""
    width = 4 * metre[0]
    rows = [(width * bar + i, 1, 60 + i, 80) for bar in range(n_bars) for i in range(n_notes)]
    starts = width * np.arange(n_bars + 1)
    return Piece(make_notes(rows), n_bars, metres=(metre,) * n_bars, starts=starts)


@pytest.fixture(scope="module")
def bands():
    # Waltzes of 1 to 10 notes a bar, two bars each; and too few marches.
    waltzes = [tune(2, WALTZ, 1 + number % 10) for number in range(4 * FEWEST)]
    return Bands.of_pieces([*waltzes, *[tune(2, MARCH, 8)] * (FEWEST - 1)], n_steps=16)


def test_the_range_is_that_of_real_passages_of_as_many_bars_in_the_same_metres(bands):
    waltzes = [tune(2, WALTZ, 1 + number % 10) for number in range(4 * FEWEST)]
    for n_bars in (1, 2):
        real = real_values(
            waltzes, n_bars=n_bars, n_steps=16, training=None, metres=[WALTZ] * n_bars
        )
        expected = ranges_of(real)
        kept = bands.of([WALTZ] * n_bars)
        assert kept["notes"] == expected["notes"]
        assert kept["tone_span"] == expected["tone_span"]
    # 1 to 10 notes a bar, as often each: of 40 bars the middle lies between 5 and 6
    assert bands.of([WALTZ])["notes"] == (1, 5.5, 10)
    assert bands.of([WALTZ] * 2)["notes"] == (2, 11, 20)


def test_of_few_passages_of_other_metres_or_of_more_bars_nothing_is_said(bands):
    assert bands.of([WALTZ] * 3) == {}
    assert bands.of([WALTZ, MARCH]) == {}
    # 19 marches of two bars are too few; of one bar there are twice as many
    assert bands.of([MARCH] * 2) == {}
    assert bands.of([MARCH])["notes"] == (8, 8, 8)


def test_nothing_is_said_of_copies_and_no_tune_can_be_read(bands):
    assert not any("copied" in name or "nearest" in name for name in bands.of([WALTZ]))
    stored = json.loads(bands.to_bytes())
    assert set(stored) == {"kind", "format", "bands"}
    assert set(stored["bands"]) == {"3/4", "2/4"}
    assert all(len(row) == 3 for row in stored["bands"]["3/4"]["1"].values())


def test_a_file_of_them_says_the_same_to_four_digits(bands, tmp_path):
    (tmp_path / FILE).write_bytes(bands.to_bytes())
    again = bands_of(tmp_path, {})
    assert set(again.ranges) == set(bands.ranges)
    for key, ranges in bands.ranges.items():
        for name, each in ranges.items():
            assert again.ranges[key][name] == pytest.approx(each, rel=1e-3)
            assert all(map(math.isfinite, again.ranges[key][name]))


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"kind": "nextbar bands", "format": 2, "bands": {}}',
        '{"kind": "nextbar bands", "format": 1, "bands": {"3/4": {"1": {"notes": [1]}}}}',
        '{"kind": "nextbar bands", "format": 1, "bands": {"3/4": 5}}',
    ],
)
def test_a_damaged_file_is_said(text, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"bands.json is damaged: .*; export the model anew"):
        bands_of(tmp_path, {})


def test_without_a_file_and_without_the_tunes_there_are_none(tmp_path):
    assert bands_of(tmp_path, {"corpus": {}}).ranges == {}
