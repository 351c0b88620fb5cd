"""Plots of dQ/dV show intervals, plots of the risk show the selected window."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import DataError, Predictive, plots
from battprob.features.window import WindowRisk

GRID = np.linspace(3.0, 4.0, 11)
MEAN = np.stack([np.sin(GRID), np.cos(GRID)])
RISK = WindowRisk(
    jnp.array([5, 11, 21]), jnp.array([4.0, 2.0, 1.0]), jnp.array([-0.1, 0.5, 3.0])
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_every_cycle_has_a_mean_and_an_interval():
    curve = Predictive.gaussian(MEAN, 0.0, 0.04)
    ax = plots.incremental_capacity(GRID, curve, level=0.8, labels=["first", "last"])
    for line, mean in zip(ax.lines, MEAN, strict=True):
        np.testing.assert_allclose(line.get_ydata(), mean)
    low = ax.collections[0].get_paths()[0].vertices[:, 1].min()
    np.testing.assert_allclose(low, (MEAN[0] - 1.28155 * 0.2).min(), rtol=1e-4)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["first", "last"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("voltage (V)", "dQ/dV (Ah/V)")


def test_a_curve_on_another_grid_raises():
    with pytest.raises(DataError, match=r"\[cycles v\] at 11 voltages; got \(2, 5\)"):
        plots.incremental_capacity(GRID, Predictive.gaussian(MEAN[:, :5], 0.0, 1.0))


def test_risk_is_the_sum_of_its_parts_and_its_minimum_is_marked():
    ax = plots.window_risk(RISK, unit="V²", ax=plt.figure().add_subplot())
    variance, bias, risk = (line.get_ydata() for line in ax.lines[:3])
    np.testing.assert_allclose(risk, np.add(variance, bias))
    np.testing.assert_allclose(ax.lines[3].get_xdata(), 11)
    assert ax.get_ylabel() == "squared error (V²)"


def test_one_window_raises():
    with pytest.raises(DataError, match="two or more"):
        plots.window_risk(
            WindowRisk(
                *(a[:1] for a in (RISK.window, RISK.variance, RISK.squared_bias))
            )
        )
