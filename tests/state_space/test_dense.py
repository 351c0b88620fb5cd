"""O(n) smoothing equals the dense Gaussian process: values, derivatives and evidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob.state_space import MaternProcess

VARIANCE, LENGTH = 1.3, 0.9


def covariance(tau, derivatives):
    """Matérn covariance: a polynomial times an exponential."""
    x = np.sqrt(2.0 * derivatives + 1.0) / LENGTH * abs(tau)
    polynomial = {
        0: 1.0,
        1: 1 + x,
        2: 1 + x + x**2 / 3,
        3: 1 + x + 2 * x**2 / 5 + x**3 / 15,
    }[derivatives]
    return VARIANCE * np.exp(-x) * polynomial


def covariance_slope(tau, derivatives):
    """Derivative of the covariance in τ, from the same polynomials."""
    rate = np.sqrt(2.0 * derivatives + 1.0) / LENGTH
    x = rate * abs(tau)
    polynomial = {2: x / 3 * (1 + x), 3: x * (1 + x + x**2 / 3) / 5}[derivatives]
    return -VARIANCE * np.exp(-x) * polynomial * rate * np.sign(tau)


def irregular():
    """Irregular locations with repeats and wide gaps, some without an observation."""
    rng = np.random.default_rng(0)
    location = np.concatenate([rng.uniform(0, 5, 34), [2.0] * 3, [20, 20.5, 40]])
    location = np.sort(location)
    y = np.sin(location) + 0.1 * rng.standard_normal(40)
    noise = rng.uniform(1e-3, 2e-2, 40)
    observed = rng.uniform(size=40) > 0.2
    return [jnp.asarray(a) for a in (location, y, noise, observed)]


def dense(derivatives, location, y, noise, observed):
    gram = np.asarray(covariance(location[:, None] - location[None], derivatives))
    inner = gram[np.ix_(observed, observed)] + np.diag(noise[observed])
    cross = gram[:, observed]
    solved = np.linalg.solve(inner, cross.T)
    log_evidence = -0.5 * (
        y[observed] @ np.linalg.solve(inner, y[observed])
        + np.linalg.slogdet(inner)[1]
        + observed.sum() * np.log(2 * np.pi)
    )
    return solved.T @ y[observed], gram - cross @ solved, log_evidence


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("derivatives", [0, 1, 2, 3])
def test_values_and_evidence(derivatives, parallel):
    data = irregular()
    process = MaternProcess(
        VARIANCE, LENGTH, derivatives=derivatives, parallel=parallel
    )
    path = process.smooth(*data)
    mean, posterior, log_evidence = dense(derivatives, *map(np.asarray, data))
    np.testing.assert_allclose(path.mean[0], mean, atol=1e-10)
    np.testing.assert_allclose(path.covariance[0][0], np.diag(posterior), atol=1e-10)
    np.testing.assert_allclose(path.log_evidence, log_evidence, rtol=1e-10)
    np.testing.assert_allclose(process.log_evidence(*data), log_evidence, rtol=1e-10)


@pytest.mark.parametrize("derivatives", [2, 3])
def test_derivative_and_its_variance(derivatives):
    data = irregular()
    location, y, noise, observed = map(np.asarray, data)
    known = location[observed]
    cross = covariance_slope(location[:, None] - known[None], derivatives)
    inner = covariance(known[:, None] - known[None], derivatives)
    inner = inner + np.diag(noise[observed])
    tau = 1e-4  # the second derivative at 0, as a finite difference
    prior = 2 * (VARIANCE - covariance(tau, derivatives)) / tau**2
    variance = prior - np.sum(cross * np.linalg.solve(inner, cross.T).T, axis=1)
    process = MaternProcess(VARIANCE, LENGTH, derivatives=derivatives)
    path = process.smooth(*data)
    mean = cross @ np.linalg.solve(inner, y[observed])
    np.testing.assert_allclose(path.mean[1], mean, atol=1e-9)
    np.testing.assert_allclose(path.covariance[1][1], variance, atol=2e-6)


def test_gradients_equal_finite_differences():
    data = irregular()

    def evidence(length):
        return MaternProcess(VARIANCE, length).log_evidence(*data)

    slope = (evidence(0.9 + 1e-5) - evidence(0.9 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(evidence))(0.9), slope, rtol=1e-6)


def test_vmap_equals_a_loop():
    location, y, noise, observed = irregular()
    process = MaternProcess(VARIANCE, LENGTH)
    both = jax.jit(jax.vmap(process.smooth, in_axes=(None, 0, 0, 0)))(
        location, *(jnp.stack([a, a[::-1]]) for a in (y, noise, observed))
    )
    one = process.smooth(location, y[::-1], noise[::-1], observed[::-1])
    np.testing.assert_allclose([m[1] for m in both.mean], one.mean, atol=1e-12)


def test_disturbances_give_the_gradient_in_the_intensity():
    data = irregular()
    start = jnp.asarray(np.random.default_rng(1).uniform(0.3, 3, 40)).at[0].set(1.0)

    def evidence(log_intensity):
        process = MaternProcess(
            VARIANCE, LENGTH, derivatives=3, intensity=jnp.exp(log_intensity)
        )
        return process.log_evidence(*data)

    process = MaternProcess(VARIANCE, LENGTH, derivatives=3, intensity=start)
    noise = process.disturbances(*data)
    gradient = jax.jit(jax.grad(evidence))(jnp.log(start))
    # The first intensity also sets the variance of the first state.
    np.testing.assert_allclose(
        0.5 * (noise.energy - noise.degrees_of_freedom)[1:], gradient[1:], atol=1e-8
    )


def test_a_constant_intensity_multiplies_the_variance():
    data = irregular()
    scaled = MaternProcess(VARIANCE, LENGTH, derivatives=3, intensity=2.5)
    expected = MaternProcess(2.5 * VARIANCE, LENGTH, derivatives=3)
    np.testing.assert_allclose(
        scaled.log_evidence(*data), expected.log_evidence(*data), rtol=1e-12
    )
