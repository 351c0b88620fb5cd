"""Landmark prediction of life equals a plain NumPy reference, formula by formula.

The reference leaves each cell out and predicts it from the others, loops over draws and
kernels, and draws from a generator with the same seed in the same order.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob.trajectories import _landmark
from battprob.trajectories.forecast import smooth_crossings

DELTA = 3e-3
KERNELS = [
    (linear, smooth, length)
    for linear, (smooth, length) in itertools.product(
        (0.0, 0.03, 0.3, 3.0, 30.0),
        ((0.0, 1.0), (0.3, 0.7), (3.0, 0.7), (0.3, 1.5), (3.0, 1.5), (30.0, 1.5)),
    )
]


def population(num_cells, *, num_draws=6, seed=0):
    """Features and log lives that depend on them, with a little scatter over draws."""
    rng = np.random.default_rng(seed)
    features = 2 + rng.standard_normal((num_cells, 5))
    log_life = 6 - 0.3 * features[:, 0] + 0.1 * rng.standard_normal(num_cells)
    scatter = 0.01 * rng.standard_normal((num_draws, num_cells))
    return log_life[None] + scatter, features, 2 + rng.standard_normal(5)


def standardised(features, new):
    """Features in units of their standard deviation over cells, floor included."""
    unit = np.sqrt(features.std(0) ** 2 + 0.05**2)
    return (features - features.mean(0)) / unit, (new - features.mean(0)) / unit


def kernel(a, b, linear, smooth, length):
    distance = np.mean((a - b) ** 2)
    return linear * np.mean(a * b) + smooth * np.exp(-distance / (2 * length**2))


def gram(rows, columns, parameters):
    return np.array([[kernel(a, b, *parameters) for b in columns] for a in rows])


def reference(log_life, features, new, rng):
    """Mixture of every draw: locations, bandwidth and weights."""
    num, cells = log_life.shape
    z, z_new = standardised(features, new)
    uniform = rng.uniform(size=num)
    chi = rng.chisquare(cells, num)
    normal = rng.standard_normal(num)
    exponential = rng.exponential(size=(num, cells))
    locations, widths, weights = [], [], []
    for s in range(num):
        y = log_life[s] - log_life[s].mean()
        total, evidence = [], []
        for parameters in KERNELS:
            k = gram(z, z, parameters) + np.eye(cells)
            b = (y @ np.linalg.solve(k, y) + y @ y / cells) / 2
            prior = 0.25 if parameters[0] + parameters[1] == 0 else 0.75 / 29
            total.append((k, b))
            evidence.append(
                np.log(prior) - np.linalg.slogdet(k)[1] / 2 - cells / 2 * np.log(b)
            )
        cumulative = np.cumsum(
            np.exp(np.array(evidence) - np.logaddexp.reduce(evidence))
        )
        chosen = int(np.argmax(cumulative >= uniform[s]))
        (k, b), parameters = total[chosen], KERNELS[chosen]
        variance = 2 * b / chi[s]
        cross = gram([z_new], z, parameters)[0]
        prior = kernel(z_new, z_new, *parameters)
        latent = prior - cross @ np.linalg.solve(k, cross) + 1 / cells
        f = log_life[s].mean() + cross @ np.linalg.solve(k, y)
        f += np.sqrt(variance * latent) * normal[s]
        residual = [left_out(k, y, i) for i in range(cells)]
        scale = np.sqrt(variance) / np.sqrt(2 * b / cells)
        locations.append(f + scale * np.array(residual))
        widths.append(0.9 * cells ** (-1 / 5) * np.sqrt(variance))
        similarity = [0.2 + np.exp(-np.mean((a - z_new) ** 2) / 2) for a in z]
        weight = exponential[s] * similarity
        weights.append(weight / weight.sum())
    return np.array(locations), np.array(widths), np.array(weights)


def left_out(k, y, i):
    """Residual of cell i predicted from the others, in standard deviations of it."""
    others = np.delete(np.arange(len(y)), i)
    inner, cross = k[np.ix_(others, others)], k[i, others]
    mean = cross @ np.linalg.solve(inner, y[others])
    variance = k[i, i] - cross @ np.linalg.solve(inner, cross)
    return (y[i] - mean) / np.sqrt(variance)


@pytest.mark.parametrize("num_cells", [4, 15])
def test_residuals_widths_and_weights(num_cells):
    data = population(num_cells)
    mixture = _landmark.predict_log_life(*data, np.random.default_rng(3))
    location, std, weight = reference(*data, np.random.default_rng(3))
    np.testing.assert_allclose(mixture.location, location, rtol=1e-8)
    np.testing.assert_allclose(mixture.std, std, rtol=1e-8)
    np.testing.assert_allclose(mixture.weight, weight, rtol=1e-8)


def test_kernels_are_drawn_by_their_evidence():
    """Assert that many draws of one population reach kernels in proportion."""
    data = population(8, num_draws=1)
    log_life = np.repeat(data[0], 4000, axis=0)
    y = log_life[0] - log_life[0].mean()
    z, _ = standardised(*data[1:])
    log_evidence = []
    for parameters in KERNELS:
        k = gram(z, z, parameters) + np.eye(8)
        b = (y @ np.linalg.solve(k, y) + y.var()) / 2
        prior = 0.25 if parameters[0] + parameters[1] == 0 else 0.75 / 29
        log_evidence.append(np.log(prior) - np.linalg.slogdet(k)[1] / 2 - 4 * np.log(b))
    expected = np.exp(log_evidence - np.logaddexp.reduce(log_evidence))
    precision = np.array([np.linalg.inv(gram(z, z, p) + np.eye(8)) for p in KERNELS])
    b = np.array([(y @ inverse @ y + y.var()) / 2 for inverse in precision])
    uniform = np.random.default_rng(0).uniform(size=4000)
    index = _landmark._sample_kernel(precision, np.tile(b, (4000, 1)).T, 8, uniform)
    drawn = np.bincount(index, minlength=len(KERNELS)) / 4000
    np.testing.assert_allclose(drawn, expected, atol=4 * np.sqrt(0.25 / 4000))


def test_features_are_losses_on_an_inverse_hyperbolic_sine_scale():
    """Windows of many readings give medians, of few readings interpolated values."""
    cycle = np.arange(1.0, 101.0)
    fraction = 1 - 1e-5 * cycle**2
    ends = [20, 40, 60, 80, 100]
    values = [1.0]
    for end in ends:
        inside = (cycle > 0.8 * end) & (cycle <= end)
        values.append(np.median(fraction[inside]))
    expected = np.arcsinh(-np.diff(values) / DELTA)
    got = _landmark.loss_features(cycle, fraction, 100.0)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    longer = np.append(cycle, 101.0), np.append(fraction, 0.1)
    np.testing.assert_array_equal(_landmark.loss_features(*longer, 100.0), got)
    few = cycle[9::10], fraction[9::10]
    between = np.interp(ends, *few)
    expected = np.arcsinh(-np.diff(between, prepend=1.0) / DELTA)
    np.testing.assert_allclose(
        _landmark.loss_features(*few, 100.0), expected, rtol=1e-12
    )


def test_draws_are_those_of_a_truncated_mixture():
    """Assert quantiles of the tail that starts one standard deviation above the mean."""
    rng = np.random.default_rng(0)
    location, std = np.array([[0.0, 1.0, 3.0]]), np.array([0.7])
    weight = np.array([[0.5, 0.3, 0.2]])
    mixture = _landmark.Mixture(location, std, weight)
    drawn = _landmark._sample_above(mixture, 1.5, rng, 40_000)[0]
    assert drawn.min() > 1.5
    above = weight[0] * stats.norm.sf(1.5, location[0], 0.7)

    def cdf(x):
        below = stats.norm.cdf(x[:, None], location, 0.7) - stats.norm.cdf(
            1.5, location, 0.7
        )
        return (weight * below).sum(1) / above.sum()

    assert stats.kstest(drawn, cdf).pvalue > 0.01


def landmarks(lives, *, length=200):
    """Cells that lose capacity in proportion to the cube of their age."""
    lives = np.asarray(lives, float)
    cycle = np.stack([np.linspace(1.0, life, length) for life in lives])
    fraction = 1 - 0.2 * (cycle / lives[:, None]) ** 3
    log_life = np.tile(np.log(lives), (2, 1))
    return _landmark.Landmarks(cycle, fraction, cycle[:, -1], log_life)


def inputs_of_the_prediction(monkeypatch, lives, until):
    """Log lives and features that the prediction of a new cell starts from."""
    calls = []

    def record(log_life, others, new, rng):
        calls.append((log_life, others, new))
        return _landmark.Mixture(log_life, np.full(len(log_life), 0.1), log_life**0)

    monkeypatch.setattr(_landmark, "predict_log_life", record)
    cycle = np.linspace(1.0, until, 200)
    drawn = _landmark.sample_log_lives(
        landmarks(lives),
        cycle,
        1 - 1e-3 * cycle,
        until,
        np.random.default_rng(0),
        num=7,
    )
    assert drawn.shape == (2, 7)
    assert np.all(drawn > np.log(until))
    return calls[0]


def test_cells_that_died_before_the_landmark_are_left_out(monkeypatch):
    lives = [50, 104, 106, *range(200, 3200, 200)]
    log_life, others, _ = inputs_of_the_prediction(monkeypatch, lives, 100.0)
    np.testing.assert_allclose(log_life[0], np.log(lives[2:]))
    data = landmarks(lives)
    expected = [
        _landmark.loss_features(data.cycle[i], data.fraction[i], 100.0)
        for i in range(2, len(lives))
    ]
    np.testing.assert_array_equal(others, expected)


@pytest.mark.parametrize(("num", "enough"), [(12, 10), (60, 15)])
def test_the_time_of_other_cells_is_stretched_where_few_lived_longer(
    monkeypatch, num, enough
):
    """Assert that the landmark is a cycle that ten cells, or a quarter, survived."""
    lives = np.arange(100, 100 * (num + 1), 100)
    until = 2.0 * lives[-1]
    log_life, others, _ = inputs_of_the_prediction(monkeypatch, lives, until)
    stretch = until / (lives[-enough] / (1.05 * 1.001))
    expected = np.log(lives[-enough:]) + np.log(stretch)
    np.testing.assert_allclose(log_life[0], expected)
    data = landmarks(lives)
    expected = [
        _landmark.loss_features(data.cycle[i], data.fraction[i], until / stretch)
        for i in range(num - enough, num)
    ]
    np.testing.assert_allclose(others, expected, rtol=1e-12)


def test_crossings_keep_their_mean_and_variance():
    """Assert the kernel width of a forecast: 0.9 n^(-1/5) standard deviations."""
    life = np.exp(np.random.default_rng(0).normal(6.0, 0.3, (3, 32)))
    location, variance = smooth_crossings(jnp.asarray(life))
    sample = np.log(life)
    total = np.var(location, axis=1) + np.asarray(variance)[:, 0]
    np.testing.assert_allclose(np.mean(location, axis=1), sample.mean(1), rtol=1e-12)
    np.testing.assert_allclose(total, sample.var(1), rtol=1e-7)
    width = np.sqrt(np.asarray(variance)[:, 0]) / np.std(location, axis=1)
    np.testing.assert_allclose(width, 0.9 * 32**-0.2, rtol=1e-7)
