"""`ClassPredictive` decomposes the variance and the entropy of an outcome exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import ClassPredictive

RNG = np.random.default_rng(0)
DRAWS, WEIGHT = RNG.random((7, 5)), RNG.normal(size=(7, 5))
p = ClassPredictive(DRAWS, WEIGHT)
W = np.exp(WEIGHT) / np.exp(WEIGHT).sum(0)
MEAN = (W * DRAWS).sum(0)


def _entropy(q):
    return -q * np.log(q) - (1 - q) * np.log1p(-q)


def test_moments_and_variances():
    np.testing.assert_allclose(p.mean, MEAN, rtol=1e-12)
    np.testing.assert_allclose(p.complement, 1 - MEAN, rtol=1e-12)
    np.testing.assert_allclose(
        p.aleatoric, (W * DRAWS * (1 - DRAWS)).sum(0), rtol=1e-12
    )
    expected = (W * DRAWS**2).sum(0) - MEAN**2
    np.testing.assert_allclose(p.epistemic, expected, rtol=1e-10)
    np.testing.assert_allclose(p.variance, p.aleatoric + p.epistemic, rtol=1e-12)


def test_entropy_and_mutual_information():
    np.testing.assert_allclose(p.entropy, _entropy(MEAN), rtol=1e-12)
    expected = _entropy(MEAN) - (W * _entropy(DRAWS)).sum(0)
    np.testing.assert_allclose(p.mutual_information, expected, rtol=1e-10)
    known = ClassPredictive(np.full((3, 1), 0.3))
    np.testing.assert_allclose(known.mutual_information, 0.0, atol=1e-12)
    certain = ClassPredictive([[0.0, 1.0]])
    np.testing.assert_array_equal(certain.entropy, 0.0)


def test_log_probability_is_accurate_near_zero_and_one():
    near = ClassPredictive([[1e-300, 1e-18]])
    np.testing.assert_allclose(near.log_prob([1, 1]), np.log([1e-300, 1e-18]))
    np.testing.assert_allclose(p.log_prob([1, 0, 1, 0, 1])[1], np.log(1 - MEAN[1]))


def test_samples_have_the_mean(key):
    draws = p.sample(key=key, num=4000)
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_allclose(draws.mean(0), MEAN, atol=0.04)


def test_take_selects_rows_and_weights():
    few = p.take([3, 1])
    np.testing.assert_allclose(few.epistemic, p.epistemic[np.array([3, 1])])
    assert p.take(slice(2)).shape == (2,)


def test_one_weight_per_draw_applies_to_every_row():
    shared = ClassPredictive(DRAWS, WEIGHT[:, 0])
    np.testing.assert_allclose(shared.mean, DRAWS.T @ W[:, 0])


def test_jit_and_float32():
    means = jax.jit(lambda tree: tree.mean)(p)
    np.testing.assert_allclose(means, MEAN)
    with jax.enable_x64(False):
        single = ClassPredictive(DRAWS, WEIGHT)
        assert single.mutual_information.dtype == jnp.float32


def test_a_single_number_is_refused():
    with pytest.raises(ValueError, match=r"got a single number.* use \[p\]"):
        ClassPredictive(0.3)
