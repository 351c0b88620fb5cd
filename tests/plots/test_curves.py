"""`delta_q` draws one curve per cell, coloured by its life."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import DataError, plots

VOLTAGE = np.linspace(2.0, 3.5, 20)
LIFE = np.array([300.0, 1200.0, 600.0])
CURVES = -1.0 / LIFE[:, None] * np.exp(-((VOLTAGE - 3.0) ** 2))


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_every_cell_has_a_curve_coloured_by_the_logarithm_of_its_life():
    ax = plots.delta_q(VOLTAGE, CURVES, LIFE)
    (lines,) = ax.collections
    for segment, curve in zip(lines.get_segments(), CURVES, strict=True):
        np.testing.assert_allclose(segment, np.column_stack([VOLTAGE, curve]))
    np.testing.assert_allclose(lines.get_array(), LIFE)
    assert lines.norm(600.0) == pytest.approx(0.5)  # the geometric mean of 300 and 1200
    assert lines.norm.vmin == 300.0
    low, high = ax.get_ylim()
    assert low < CURVES.min() < CURVES.max() < high


def test_axes_and_colour_bar_have_units():
    ax = plots.delta_q(VOLTAGE, CURVES, LIFE)
    assert ax.get_xlabel() == "voltage (V)"
    assert ax.get_ylabel().endswith("(Ah)")
    assert ax.figure.axes[1].get_ylabel() == "cycle life (cycles)"


def test_delta_q_draws_on_the_given_axes():
    ax = plt.figure().add_subplot()
    assert plots.delta_q(VOLTAGE, CURVES, LIFE, ax=ax) is ax


def test_unusable_shapes_and_lives_raise():
    with pytest.raises(DataError, match=r"got shapes \(20,\), \(20, 3\) and \(3,\)"):
        plots.delta_q(VOLTAGE, CURVES.T, LIFE)
    with pytest.raises(DataError, match=r"positive; it is not in rows \[1\]"):
        plots.delta_q(VOLTAGE, CURVES, np.array([300.0, np.nan, 600.0]))
