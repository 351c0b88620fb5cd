"""Plots of spectra show the measured and the predicted numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Ellipse

from battprob import DataError, Predictive, plots

FREQUENCY = np.array([100.0, 1.0, 10.0])
MEASURED = np.array([1 - 0.1j, 3 - 0.9j, 2 - 0.6j])
MEAN = np.stack([MEASURED.real, MEASURED.imag], axis=-1) + 0.02
PREDICTED = Predictive.gaussian(MEAN, np.full((3, 2), 0.01), np.full((3, 2), 0.03))
HALF = 1.6448536269514722 * 0.2  # half of the 90 % interval of variance 0.01 + 0.03


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_nyquist_has_equal_axes_measurements_mean_and_intervals():
    ax = plots.nyquist(MEASURED, PREDICTED)
    assert ax.get_aspect() == 1.0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Re Z (Ω)", "−Im Z (Ω)")
    points, line = (
        next(line for line in ax.lines if line.get_label().startswith(label))
        for label in ("measured", "mean")
    )
    np.testing.assert_allclose(points.get_xdata(), MEASURED.real)
    np.testing.assert_allclose(points.get_ydata(), -MEASURED.imag)
    np.testing.assert_allclose(line.get_ydata(), -MEAN[:, 1])
    ellipses = [patch for patch in ax.patches if isinstance(patch, Ellipse)]
    centres = np.array([ellipse.center for ellipse in ellipses])
    np.testing.assert_allclose(centres, MEAN * [1, -1], rtol=1e-6)
    sizes = [(ellipse.width, ellipse.height) for ellipse in ellipses]
    np.testing.assert_allclose(sizes, 2 * HALF, rtol=1e-5)


def test_bode_sorts_the_frequencies_and_negates_the_imaginary_part():
    figure = plots.bode(FREQUENCY, MEASURED, PREDICTED)
    for column, (ax, sign) in enumerate(zip(figure.axes, (1, -1), strict=True)):
        assert ax.get_xscale() == "log"
        line = next(line for line in ax.lines if line.get_marker() == "None")
        np.testing.assert_allclose(line.get_xdata(), [1, 10, 100])
        expected = sign * MEAN[[1, 2, 0], column]
        np.testing.assert_allclose(line.get_ydata(), expected)
        (band,) = ax.collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.max() == pytest.approx((expected + HALF).max(), rel=1e-5)
        assert heights.min() == pytest.approx((expected - HALF).min(), rel=1e-5)
    assert figure.axes[1].get_xlabel() == "frequency (Hz)"


def test_residuals_are_in_standard_deviations():
    ax = plots.spectrum_residuals(FREQUENCY, MEASURED, PREDICTED)
    for line in ax.lines:
        np.testing.assert_allclose(line.get_ydata(), -0.1, rtol=1e-6)
    assert ax.get_ylabel() == "residual (sd)"


def test_corner_shows_every_pair_once():
    rng = np.random.default_rng(0)
    draws = {name: rng.normal(size=200) for name in ("R0", "R1", "W1")}
    figure = plots.corner(draws, units={"R0": "Ohm"})
    axes = np.array(figure.axes).reshape(3, 3)
    shown = [[ax.get_visible() for ax in row] for row in axes]
    np.testing.assert_array_equal(shown, np.tri(3, dtype=bool))
    (points,) = axes[2, 0].lines
    np.testing.assert_allclose(points.get_xydata().T, [draws["R0"], draws["W1"]])
    counts = list(axes[1, 1].patches)
    assert counts
    assert axes[2, 0].get_xlabel() == "R0\n(Ohm)"


def test_unusable_spectra_and_draws_raise():
    with pytest.raises(
        DataError, match="frequencies and impedances of the same length"
    ):
        plots.bode(FREQUENCY[:2], MEASURED)
    with pytest.raises(DataError, match="select one spectrum of the batch"):
        plots.corner({"R0": np.zeros((5, 2))})


def test_relaxation_times_have_an_interval():
    tau = np.array([0.1, 1.0, 10.0])
    gamma = Predictive.gaussian(np.array([1.0, 2.0, 1.0]), 0.0, np.full(3, 0.04))
    ax = plots.relaxation_times(tau, gamma)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [1, 2, 1])
    (band,) = ax.collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(2 + HALF)
    assert (ax.get_xscale(), ax.get_ylabel()) == ("log", "γ (Ω)")
    with pytest.raises(DataError, match="Select one spectrum of the batch"):
        plots.relaxation_times(tau[:2], gamma)


def test_consistency_has_limits_and_marks_outliers():
    residual = np.array([[0.1, -0.2], [5.0, 0.3], [1.0, -1.0]])
    ax = plots.consistency(FREQUENCY, residual, np.array([False, True, False]))
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    # All of six residuals are within 2.64 sd with a probability of 95 %.
    np.testing.assert_allclose(dashed, [-2.638, 2.638], atol=1e-3)
    marked = [line for line in ax.lines if line.get_marker() == "x"]
    assert {tuple(line.get_xdata()) for line in marked} == {(1.0,)}
    with pytest.raises(DataError, match="must be"):
        plots.consistency(FREQUENCY, residual[:, 0])


def test_relevance_is_sorted_by_frequency():
    weight = np.array([[1.0, 0.0], [2.0, 4.0], [3.0, 5.0]])
    ax = plots.relevance(FREQUENCY[::-1], weight[::-1])
    real, imaginary = ax.lines
    assert np.all(np.diff(real.get_xdata()) > 0)
    order = np.argsort(FREQUENCY)
    np.testing.assert_allclose(real.get_ydata(), weight[order, 0])
    np.testing.assert_allclose(imaginary.get_ydata(), weight[order, 1])
    assert (ax.get_xscale(), ax.get_ylabel()) == ("log", "relevance")
    with pytest.raises(DataError, match="must be"):
        plots.relevance(FREQUENCY, weight[:, 0])
