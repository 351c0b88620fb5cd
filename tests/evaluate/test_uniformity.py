"""The PIT test has the size it states, by group too, and names the fault."""

import numpy as np
import pytest

from battprob import DataError, Predictive, evaluate

NUM = 60
zero = Predictive.gaussian(np.zeros(NUM), 1.0)


def _p_values(draw, groups=None, num=150):
    rng = np.random.default_rng(0)
    found = [evaluate.pit_uniformity(zero, draw(rng), groups) for _ in range(num)]
    return np.array([one.p_value for one in found])


def test_calibrated_rows_are_rejected_as_often_as_stated():
    p = _p_values(lambda rng: rng.normal(size=NUM))
    assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.06)


def test_calibrated_groups_are_rejected_as_often_as_stated():
    """Rows of a group share most of their error; rows alone would reject nearly always."""
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
def test_the_fault_is_named(shift, scale, bias, dispersion):
    y = shift + scale * np.random.default_rng(1).normal(size=NUM)
    found = evaluate.pit_uniformity(zero, y)
    assert found.p_value < 0.01
    if bias:
        assert found.bias > 0.5
    if dispersion:
        assert dispersion * found.dispersion > 0.5


def test_coverage_curve_is_covered_at_every_level():
    y = np.random.default_rng(2).normal(size=NUM)
    curve = evaluate.coverage_curve(zero, y, np.arange(NUM) // 3)
    for level, share in zip(curve.level[::6], curve.coverage[::6], strict=True):
        inside = evaluate.covered(zero, y, level=float(level))
        assert float(inside.mean()) == pytest.approx(share)
    assert np.all(curve.error >= 0)


def test_three_groups_are_too_few():
    with pytest.raises(DataError, match="10 or more independent groups; got 3"):
        evaluate.pit_uniformity(zero, np.zeros(NUM), np.arange(NUM) // 20)
