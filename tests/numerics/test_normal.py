"""Normal distribution functions equal SciPy's, far into both tails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob._numerics.normal import (
    log_mean_excess,
    mean_absolute,
    normal_cdf_and_density,
)

X = np.concatenate([-np.logspace(1.57, -9, 400), [0.0], np.logspace(-9, 1.57, 400)])

# Each is one program; operation by operation there are thirty for every shape.
BOTH = jax.jit(normal_cdf_and_density)


def test_both_tails():
    cdf, density = map(np.asarray, BOTH(X))
    np.testing.assert_allclose(cdf, stats.norm.cdf(X), rtol=1e-12)
    np.testing.assert_allclose(cdf[X > -5], stats.norm.cdf(X[X > -5]), rtol=1e-14)
    np.testing.assert_allclose(density, stats.norm.pdf(X), rtol=1e-12)


def test_limits():
    ends = np.array([-np.inf, np.inf])
    cdf, density = BOTH(ends)
    np.testing.assert_array_equal(cdf, [0.0, 1.0])
    np.testing.assert_array_equal(density, 0.0)
    stacked = jax.jacfwd(lambda x: jnp.stack(normal_cdf_and_density(x)))
    np.testing.assert_array_equal(jax.jit(jax.vmap(stacked))(ends), 0.0)


@pytest.mark.parametrize("output", [0, 1])
def test_derivatives(output):
    gradient = jax.grad(lambda one: normal_cdf_and_density(one)[output])
    slope = jax.jit(jax.vmap(gradient))(X[::100])
    density = stats.norm.pdf(X[::100])
    expected = (density, -X[::100] * density)[output]
    np.testing.assert_allclose(slope, expected, rtol=1e-12)


MEAN, SCALE = map(np.ravel, np.meshgrid([-9.0, -1.0, 0.0, 0.3, 50.0], [0.0, 0.1, 2.0]))


def _folded(mean, scale):
    """Mean of the folded normal distribution, by SciPy."""
    ratio = mean / np.maximum(scale, 1e-9)
    return mean * (2 * stats.norm.cdf(ratio) - 1) + 2 * scale * stats.norm.pdf(ratio)


def test_mean_absolute_value_and_its_limits():
    compiled = jax.jit(mean_absolute)
    got = compiled(MEAN, SCALE)
    np.testing.assert_allclose(got, _folded(MEAN, SCALE), rtol=1e-14)
    fine = np.linspace(-8.0, 8.0, 4001)
    got = compiled(fine, np.ones(4001))
    np.testing.assert_allclose(got, _folded(fine, 1.0), rtol=3e-15)


def test_derivatives_of_the_mean_absolute_value():
    mean, scale = MEAN[5:], SCALE[5:]
    got = jax.jit(jax.vmap(jax.grad(mean_absolute, argnums=(0, 1))))(mean, scale)
    step = 1e-6
    for slope, (dm, ds) in zip(got, ((step, 0.0), (0.0, step)), strict=True):
        up, down = _folded(mean + dm, scale + ds), _folded(mean - dm, scale - ds)
        np.testing.assert_allclose(slope, (up - down) / (2 * step), atol=1e-8)


def test_log_mean_excess_equals_60_digit_arithmetic():
    """mpmath gave the constants: log(pdf + x cdf) and its derivative cdf / (pdf + x cdf)."""
    reference = {
        -100.0: (-5010.1295788002498, 100.01999400419587),
        -20.1: (-208.93274041662462, 20.198776124515668),
        -19.9: (-204.91288769492166, 19.999754282210964),
        -5.0: (-16.74430116266099, 5.3618162412880885),
        -1.01: (-2.5041998574802568, 1.9114971728606133),
        -0.99: (-2.4661143916690494, 1.8970576371863509),
        0.0: (-0.91893853320467274, 1.2533141373155003),
        3.0: (1.0987396653277078, 0.33284096845179524),
        50.0: (3.9120230054281461, 0.02),
    }
    value, slope = np.transpose(list(reference.values()))
    x = np.array([*reference, -1e8, -1e150])
    found, gradient = jax.jit(jax.vmap(jax.value_and_grad(log_mean_excess)))(x)
    np.testing.assert_allclose(found[:-2], value, rtol=1e-13)
    np.testing.assert_allclose(gradient[:-2], slope, rtol=1e-12)
    np.testing.assert_allclose(gradient[-2:], [1e8, 1e150])
