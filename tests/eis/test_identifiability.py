"""Parameters that can change together without a change of the spectrum are named."""

import numpy as np

from battprob.eis._identifiability import tied_parameters


def _sentences(names, free, identified):
    """For log parameters with a narrow posterior except in one direction."""
    covariance = 1e-4 * np.eye(3) + 4.0 * np.outer(free, free)
    return tied_parameters(names, covariance, np.array(identified))


def test_a_product():
    sentences = _sentences(("R1", "C1", "R0"), [1, -1, 0], [False, False, True])
    assert sentences == ["only the product of R1 and C1 is determined"]


def test_ratios():
    sentences = _sentences(("R0", "R1", "R2"), [1, 1, 1], [False, False, False])
    assert sentences == ["only the ratios of R0, R1 and R2 are determined"]


def test_powers():
    """Diffusion in the semi-infinite range: only Z0/√τ is determined."""
    sentences = _sentences(("Wo1_0", "R0", "Wo1_1"), [0.5, 0, 1], [True, True, False])
    assert sentences == ["Wo1_0 and Wo1_1 can change together: Wo1_0 ∝ Wo1_1^0.5"]


def test_one_flat_parameter_is_no_tie():
    assert _sentences(("R0", "R1", "R2"), [0, 1, 0], [True, False, True]) == []
    assert _sentences(("R0", "R1", "R2"), [1, 1, 0], [True, True, True]) == []
