"""Shapes and types stand in the signatures; the tests' import hook checks them at every call."""

import os
import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from nextbar.measures.coherence import coherence_sums, weighted_coherence
from nextbar.measures.copying import pack_notes
from nextbar.measures.distributions import overlap, pitch_class_counts
from nextbar.measures.intervals import bootstrap, mean_of
from nextbar.measures.paper import mean_distance, scale_consistency
from nextbar.measures.pieces import sum_by_piece

from .small_pieces import make_notes, piece_of_bars

NOTES = make_notes([(0, 4, 60, 90)])


@pytest.mark.skipif("MUTANT_UNDER_TEST" in os.environ, reason="shapes are not looked at there")
@pytest.mark.parametrize(
    "call",
    [
        lambda: scale_consistency(np.array([[60, 62]])),  # no row of notes
        lambda: scale_consistency(np.array([60.0, 62.0])),  # pitches are whole numbers
        lambda: mean_distance(np.zeros((2, 3), np.float32), np.ones((1, 2))),  # not square
        lambda: mean_distance(np.zeros((2, 2), np.float32), np.ones((1, 3))),  # of three pieces
        lambda: mean_distance(np.zeros((2, 2)), np.ones((1, 2))),  # not single precision
        lambda: overlap(np.ones(3), np.ones(4)),  # other cells
        lambda: sum_by_piece(np.ones(3), np.zeros(2, np.int64), 1),
        lambda: sum_by_piece(np.ones(3), np.zeros(3, np.int64), 1)[:, None] + mean_of(1.0),
        lambda: pitch_class_counts(NOTES[["start", "pitch"]]),  # half of a note
        lambda: pack_notes(NOTES, np.array([0, 1])),  # notes, not bar notes
        lambda: bootstrap({}, np.zeros((2, 2), np.int64), rng=np.random.default_rng(0)),
        lambda: weighted_coherence(
            coherence_sums([piece_of_bars([60], [62])], n_steps=16),
            np.ones(1),  # one weighting must be a row
        ),
    ],
)
def test_a_wrong_shape_or_type_is_refused_while_tests_run(call):
    with pytest.raises(TypeCheckError):
        call()


def test_users_pay_no_check():
    code = """
import sys
import numpy as np
import nextbar.measures as measures
assert not {"beartype", "typeguard", "torch"} & {*sys.modules}
assert measures.uniqueness(np.array([[60, 62]])) == 200  # nobody looks at the shape
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
