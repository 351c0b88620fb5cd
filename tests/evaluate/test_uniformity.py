"""The PIT test has its stated size, with groups too, and identifies the deviation."""

import numpy as np
import pytest

from battprob import DataError, Predictive, evaluate

NUM = 60
zero = Predictive.gaussian(np.zeros(NUM), 1.0)


def _p_values(draw, groups=None, num=150):
    rng = np.random.default_rng(0)
    results = [evaluate.pit_uniformity(zero, draw(rng), groups) for _ in range(num)]
    return np.array([result.p_value for result in results])


def test_calibrated_rows_are_rejected_as_often_as_stated():
    p = _p_values(lambda rng: rng.normal(size=NUM))
    assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.06)


def test_calibrated_groups_are_rejected_as_often_as_stated():
    """Errors within a group are correlated; a test over rows would reject too often."""
    groups = np.repeat(np.arange(20), 3)

    def draw(rng):
        return np.sqrt(0.9) * rng.normal(size=20)[groups] + np.sqrt(0.1) * rng.normal(
            size=NUM
        )

    assert (_p_values(draw, groups) < 0.1).mean() == pytest.approx(0.12, abs=0.07)
    assert (_p_values(draw) < 0.1).mean() > 0.3


@pytest.mark.parametrize(
    ("shift", "scale", "bias", "dispersion"),
    [(0.7, 1.0, 1, 0), (0.0, 2.0, 0, 1), (0.0, 0.4, 0, -1)],
)
def test_bias_and_dispersion_identify_the_deviation(shift, scale, bias, dispersion):
    y = shift + scale * np.random.default_rng(1).normal(size=NUM)
    result = evaluate.pit_uniformity(zero, y)
    assert result.p_value < 0.01
    if bias:
        assert result.bias > 0.5
    if dispersion:
        assert dispersion * result.dispersion > 0.5


def test_coverage_curve_is_the_mean_of_covered_at_every_level():
    y = np.random.default_rng(2).normal(size=NUM)
    curve = evaluate.coverage_curve(zero, y, np.arange(NUM) // 3)
    for level, coverage in zip(curve.level[::6], curve.coverage[::6], strict=True):
        inside = evaluate.covered(zero, y, level=float(level))
        assert float(inside.mean()) == pytest.approx(coverage)
    assert np.all(curve.error >= 0)


def test_three_groups_raise():
    with pytest.raises(DataError, match="10 or more independent groups; got 3"):
        evaluate.pit_uniformity(zero, np.zeros(NUM), np.arange(NUM) // 20)
