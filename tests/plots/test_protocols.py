"""Plots of protocols show the numbers of the predictions and of `deployment_bias`."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import DataError, Predictive, plots
from battprob.evaluate import deployment_bias

X = np.array([0.5, 0.1, 0.9])
LOCATION = np.array([[[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]])
PRED = Predictive(LOCATION, 1.0, 0.5, np.log([[[0.3] * 3, [0.7] * 3]]))
ORDER = np.argsort(X)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_components_and_measurements_are_drawn_by_protocol():
    responsibilities = np.array([[1.0, 0.0], [0.2, 0.8]])
    observed = X[:2], [1.0, 6.0], responsibilities
    ax = plots.components(X, PRED, observed=observed, unit="%")
    for k, line in enumerate(ax.lines):
        np.testing.assert_allclose(line.get_ydata(), LOCATION[0, k, ORDER])
    assert ax.lines[0].get_linewidth() < ax.lines[1].get_linewidth()
    (points,) = [c for c in ax.collections if len(c.get_offsets()) == 2]
    np.testing.assert_allclose(points.get_alpha(), [1.0, 0.8**3])
    assert ax.get_ylabel() == "target (%)"


def test_parts_of_the_variance_are_stacked():
    ax = plots.variance_stack(X, PRED)
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in ax.collections]
    parts = np.stack([PRED.within, PRED.between, PRED.epistemic])
    np.testing.assert_allclose(tops, np.cumsum(parts, 0).max(1))


def test_bias_is_shown_for_each_protocol():
    result = deployment_bias(PRED)
    ax = plots.deployment_bias(X, result)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), result.bias[0, ORDER])
    with pytest.raises(DataError, match=r"shape \(3,\); got \(2,\)"):
        plots.deployment_bias(X[:2], result)
    with pytest.raises(DataError, match=r"shape \(3,\); got \(2,\)"):
        plots.components(X[:2], PRED)
