"""O(n) smoothing equals the dense Gaussian process: values, derivatives and evidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob.state_space import MaternProcess

VARIANCE, LENGTH = 1.3, 0.9


def correlation(tau, derivatives):
    """Matérn correlation as a polynomial times an exponential, away from 0 and at it."""
    x = np.sqrt(2.0 * derivatives + 1.0) / LENGTH * abs(tau)
    polynomial = {
        0: 1.0,
        1: 1 + x,
        2: 1 + x + x**2 / 3,
        3: 1 + x + 2 * x**2 / 5 + x**3 / 15,
    }[derivatives]
    return VARIANCE * np.exp(-x) * polynomial


def irregular():
    """Uneven places with repeats and wide gaps, some of them without a reading."""
    rng = np.random.default_rng(0)
    place = np.sort(np.concatenate([rng.uniform(0, 5, 34), [2.0] * 3, [20, 20.5, 40]]))
    y = np.sin(place) + 0.1 * rng.standard_normal(40)
    noise = rng.uniform(1e-3, 2e-2, 40)
    return [jnp.asarray(a) for a in (place, y, noise, rng.uniform(size=40) > 0.2)]


def slope_of_correlation(tau, derivatives):
    """Its derivative in τ, from the same polynomials."""
    rate = np.sqrt(2.0 * derivatives + 1.0) / LENGTH
    x = rate * abs(tau)
    polynomial = {2: x / 3 * (1 + x), 3: x * (1 + x + x**2 / 3) / 5}[derivatives]
    return -VARIANCE * np.exp(-x) * polynomial * rate * np.sign(tau)


def dense(derivatives, place, y, noise, seen):
    gram = correlation(place[:, None] - place[None], derivatives)
    inner = np.asarray(gram)[np.ix_(seen, seen)] + np.diag(noise[seen])
    cross = np.asarray(gram)[:, seen]
    solved = np.linalg.solve(inner, cross.T)
    log_evidence = -0.5 * (
        y[seen] @ np.linalg.solve(inner, y[seen])
        + np.linalg.slogdet(inner)[1]
        + seen.sum() * np.log(2 * np.pi)
    )
    return solved.T @ y[seen], gram - cross @ solved, log_evidence


@pytest.mark.parametrize("derivatives", [0, 1, 2, 3])
def test_values_and_evidence(derivatives):
    readings = irregular()
    process = MaternProcess(VARIANCE, LENGTH, derivatives=derivatives)
    path = process.smooth(*readings)
    mean, covariance, log_evidence = dense(derivatives, *map(np.asarray, readings))
    np.testing.assert_allclose(path.mean[0], mean, atol=1e-10)
    np.testing.assert_allclose(path.covariance[0][0], np.diag(covariance), atol=1e-10)
    np.testing.assert_allclose(path.log_evidence, log_evidence, rtol=1e-10)
    np.testing.assert_allclose(
        process.log_evidence(*readings), log_evidence, rtol=1e-10
    )


@pytest.mark.parametrize("derivatives", [2, 3])
def test_derivative_and_its_variance(derivatives):
    readings = irregular()
    place, y, noise, seen = map(np.asarray, readings)
    cross = slope_of_correlation(place[:, None] - place[None, seen], derivatives)
    inner = correlation(place[seen][:, None] - place[seen][None], derivatives)
    inner = inner + np.diag(noise[seen])
    tau = 1e-4  # second derivative at 0, where |tau| has none by itself
    prior = 2 * (VARIANCE - correlation(tau, derivatives)) / tau**2
    variance = prior - np.sum(cross * np.linalg.solve(inner, cross.T).T, axis=1)
    process = MaternProcess(VARIANCE, LENGTH, derivatives=derivatives)
    path = process.smooth(*readings)
    mean = cross @ np.linalg.solve(inner, y[seen])
    np.testing.assert_allclose(path.mean[1], mean, atol=1e-9)
    np.testing.assert_allclose(path.covariance[1][1], variance, atol=2e-6)


def test_gradients_are_finite_and_those_of_finite_differences():
    readings = irregular()

    def evidence(length):
        return MaternProcess(VARIANCE, length).log_evidence(*readings)

    slope = (evidence(0.9 + 1e-5) - evidence(0.9 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(evidence))(0.9), slope, rtol=1e-6)


def test_vmap_is_a_loop():
    place, y, noise, seen = irregular()
    process = MaternProcess(VARIANCE, LENGTH)
    both = jax.jit(jax.vmap(process.smooth, in_axes=(None, 0, 0, 0)))(
        place, *(jnp.stack([a, a[::-1]]) for a in (y, noise, seen))
    )
    one = process.smooth(place, y[::-1], noise[::-1], seen[::-1])
    np.testing.assert_allclose([m[1] for m in both.mean], one.mean, atol=1e-12)


def test_drive_is_the_slope_of_the_evidence_in_the_intensity():
    readings = irregular()
    start = jnp.asarray(np.random.default_rng(1).uniform(0.3, 3, 40)).at[0].set(1.0)

    def evidence(log_intensity):
        process = MaternProcess(
            VARIANCE, LENGTH, derivatives=3, intensity=jnp.exp(log_intensity)
        )
        return process.log_evidence(*readings)

    process = MaternProcess(VARIANCE, LENGTH, derivatives=3, intensity=start)
    drive = process.drive(*readings)
    slope = jax.jit(jax.grad(evidence))(jnp.log(start))
    # The first intensity also sets what is known before the first reading.
    np.testing.assert_allclose(
        0.5 * (drive.energy - drive.freedom)[1:], slope[1:], atol=1e-8
    )


def test_one_intensity_is_a_factor_of_the_variance():
    readings = irregular()
    scaled = MaternProcess(VARIANCE, LENGTH, derivatives=3, intensity=2.5)
    whole = MaternProcess(2.5 * VARIANCE, LENGTH, derivatives=3)
    np.testing.assert_allclose(
        scaled.log_evidence(*readings), whole.log_evidence(*readings), rtol=1e-12
    )
