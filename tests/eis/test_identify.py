"""Parameters that trade without a cost are found and named."""

import numpy as np

from battprob.eis._identify import tied_parameters


def _told(names, free, identified):
    """For log parameters that are narrow but for one direction."""
    covariance = 1e-4 * np.eye(3) + 4.0 * np.outer(free, free)
    return tied_parameters(names, covariance, np.array(identified))


def test_a_product():
    told = _told(("R1", "C1", "R0"), [1, -1, 0], [False, False, True])
    assert told == ["of R1 and C1 only the product is determined"]


def test_ratios():
    told = _told(("R0", "R1", "R2"), [1, 1, 1], [False, False, False])
    assert told == ["of R0, R1 and R2 only the ratios are determined"]


def test_powers():
    """Diffusion that never meets its wall: Z0 grows with the root of the time."""
    told = _told(("Wo1_0", "R0", "Wo1_1"), [0.5, 0, 1], [True, True, False])
    assert told == ["Wo1_0 is free to go as Wo1_1^0.5"]


def test_one_flat_parameter_is_no_tie():
    assert _told(("R0", "R1", "R2"), [0, 1, 0], [True, False, True]) == []
    assert _told(("R0", "R1", "R2"), [1, 1, 0], [True, True, True]) == []
