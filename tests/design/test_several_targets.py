"""Acquisitions of several targets agree with geometry and Monte Carlo."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from battprob import DataError, Dataset, Predictive, design
from battprob._modules import replace
from battprob.design import _targets
from battprob.design._box_decomposition import improving_boxes, nondominated
from battprob.models import GaussianProcess

KEY = jax.random.key(0)
X = np.random.default_rng(0).uniform(size=(9, 1))
NEW = np.linspace(0, 1, 8)[:, None]
ROW = jnp.asarray(np.zeros((1, 1)))


def gain_by_counting(front, worst, point, cells=60):
    """Volume that `point` adds, counted on a grid that resolves tenths exactly."""
    axes = [np.arange(0, 1, 1 / cells) + 0.5 / cells] * len(worst)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(worst))
    gained = np.all((grid <= point) & (grid > worst), axis=1)
    for other in front:
        gained &= ~np.all(grid <= other, axis=1)
    return gained.mean()


@pytest.mark.parametrize("num_targets", [2, 3])
def test_boxes_partition_the_region_above_the_front(num_targets):
    rng = np.random.default_rng(1)
    worst = np.full(num_targets, 0.2)
    points = rng.integers(1, 10, size=(12, num_targets)) / 10
    front = points[nondominated(points)]
    lower, upper = improving_boxes(front, worst)
    for point in rng.integers(1, 11, size=(6, num_targets)) / 10:
        sides = np.clip(np.minimum(point, upper) - lower, 0, None)
        expected = gain_by_counting(front, worst, point)
        np.testing.assert_allclose(np.prod(sides, axis=1).sum(), expected, atol=1e-9)


def test_without_a_front_there_is_one_box():
    lower, upper = improving_boxes(np.zeros((0, 2)), np.zeros(2))
    np.testing.assert_array_equal(lower, [[0.0, 0.0]])
    assert np.all(np.isinf(upper))


@functools.cache
def posteriors(num):
    rng = np.random.default_rng(2)
    x = X[:, 0]
    targets = [np.sin(5 * x), np.cos(4 * x), 1 - x**2, x][:num]
    return tuple(
        GaussianProcess().fit(Dataset(X, y + 0.1 * rng.normal(size=9)), key=KEY)
        for y in targets
    )


def mean_gain(front, worst, means, sds, num=40_000):
    """Monte Carlo estimate of the hypervolume improvement, and its standard error."""
    lower, upper = improving_boxes(front[nondominated(front)], worst)
    drawn = means + sds * np.random.default_rng(3).normal(size=(num, len(worst)))
    sides = np.clip(np.minimum(drawn[:, None], upper) - lower, 0, None)
    gain = np.prod(sides, axis=2).sum(1)
    return gain.mean(), gain.std() / np.sqrt(num)


@pytest.mark.parametrize("num_targets", [2, 3])
def test_hypervolume_improvement_agrees_with_draws(num_targets):
    fitted, worst = posteriors(num_targets), np.full(num_targets, -0.5)
    acquisition = design.LogEHVI(worst).prepare(fitted, NEW, key=KEY)
    front = np.column_stack([np.asarray(one.predict(X).mean) for one in fitted])
    values = np.exp(acquisition(fitted, NEW))
    preds = [one.predict(NEW) for one in fitted]
    assert np.sum(values[jnp.array([1, 4, 6])] > 1e-3) >= 1
    for row in (1, 4, 6):
        means = np.array([p.mean[row] for p in preds])
        sds = np.sqrt([p.epistemic[row] for p in preds])
        gain, error = mean_gain(front, worst, means, sds)
        assert abs(values[row] - gain) < 4 * error + 1e-9


def test_improvement_over_an_uncertain_front(monkeypatch):
    monkeypatch.setattr(_targets, "_NUM_DRAWS", 1024)
    fitted, worst, row = posteriors(2), np.array([-0.5, -0.5]), NEW[[3]]
    acquisition = design.LogNEHVI(worst).prepare(fitted, NEW, key=KEY)
    keys = jax.random.split(KEY, 2)
    rows = np.concatenate([X, row])
    drawn = np.stack(
        [
            np.asarray(one.sample_functions(rows, key=k, num=2000))
            for one, k in zip(fitted, keys, strict=True)
        ],
        axis=-1,
    )
    gains = []
    for values in drawn:
        front = values[:-1]
        lower, upper = improving_boxes(front[nondominated(front)], worst)
        sides = np.clip(np.minimum(values[-1], upper) - lower, 0, None)
        gains.append(np.prod(sides, axis=1).sum())
    error = np.std(gains) / np.sqrt(len(gains))
    value = np.exp(acquisition(fitted, row)[0])
    assert abs(value - np.mean(gains)) < 4 * error + 0.03 * value


def fake_posteriors(*moments):
    """Posteriors with these means and variances at any row."""
    return tuple(
        types.SimpleNamespace(
            predict=lambda x, m=m, v=v: Predictive.gaussian([m], 0.1, [v])
        )
        for m, v in moments
    )


def test_improvement_of_the_smallest_target_is_the_integral():
    moments, worst, scale = [(0.5, 1.0), (1.0, 0.25)], [-1.0, 0.0], [2.0, 1.0]
    acquisition = design.LogChebyshevEI(worst, scale)

    @jax.jit
    def improvement(best):
        fitted = fake_posteriors(*moments)
        return jnp.exp(replace(acquisition, best=best).values(fitted, ROW)[0])

    def survival(t):
        return np.prod(
            [
                norm.sf(w + s * t, m, np.sqrt(v))
                for (m, v), w, s in zip(moments, worst, scale, strict=True)
            ]
        )

    for best in (-3.0, 0.2, 1.5, 8.0):
        expected = quad(survival, best, best + 12, epsabs=0, epsrel=1e-10, limit=200)[0]
        np.testing.assert_allclose(improvement(np.array([best])), expected, rtol=1e-6)


def test_scales_depend_on_the_key_and_the_incumbent_on_the_scales():
    fitted = posteriors(3)
    acquisition = design.LogChebyshevEI([-2.0, -2.0, -2.0])
    one, other = (
        acquisition.prepare(fitted, NEW, key=jax.random.key(seed)) for seed in (0, 1)
    )
    assert not np.allclose(one.scale, other.scale)
    means = np.column_stack([np.asarray(p.predict(X).mean) for p in fitted])
    expected = np.min((means + 2) / np.asarray(one.scale), axis=1).max()
    np.testing.assert_allclose(one.best, [expected], rtol=1e-9)


def test_the_number_of_posteriors_must_be_that_of_targets():
    with pytest.raises(DataError, match=r"worst has 2 targets.*got 3 posteriors"):
        design.LogEHVI([0.0, 0.0]).prepare(posteriors(3), NEW, key=KEY)
    with pytest.raises(DataError, match="LogChebyshevEI"):
        design.LogEHVI(np.zeros(4)).prepare(posteriors(4), NEW, key=KEY)
