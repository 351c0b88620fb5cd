"""Each method compiles once: new numbers do not retrace, and an outer jit is harmless."""

import equinox as eqx
import jax
import numpy as np
import pytest

from battprob.predictive import regression
from tests.predictive.mixtures import SCALES, mixture

METHODS = {
    "_moments": lambda pred, key, scale: pred.variance,
    "_log_prob": lambda pred, key, scale: pred.log_prob(scale),
    "_cdf": lambda pred, key, scale: pred.cdf(scale),
    "_quantile": lambda pred, key, scale: pred.interval(0.9 * scale),
    "_crps": lambda pred, key, scale: pred.crps(scale),
    "_sample": lambda pred, key, scale: pred.sample(key=key, num=2),
}


@pytest.mark.parametrize("scale", ["identity", "log"])
@pytest.mark.parametrize("name", METHODS)
def test_new_numbers_do_not_retrace(name, scale, monkeypatch):
    inside = getattr(regression, name).__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(regression, name, guarded)
    for seed in range(3):
        pred = mixture(SCALES[scale], seed)
        METHODS[name](pred, jax.random.key(seed), 0.3 + 0.1 * seed)
    with pytest.raises(RuntimeError, match="can only be traced 1 times"):
        METHODS[name](mixture(SCALES[scale]).take(slice(2)), jax.random.key(0), 0.5)


@pytest.mark.parametrize("name", METHODS)
def test_an_outer_jit_gives_the_same_numbers(name):
    pred = mixture(SCALES["log"])
    method = METHODS[name]
    key = jax.random.key(1)
    plain = method(pred, key, 0.5)
    jitted = eqx.filter_jit(lambda pred, key: method(pred, key, 0.5))(pred, key)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), plain, jitted
    )


def test_a_predictive_passes_through_jit():
    pred = mixture(SCALES["softplus"])
    returned = eqx.filter_jit(lambda pred: pred)(pred)
    assert eqx.tree_equal(pred, returned)
    leaves, structure = jax.tree.flatten(pred)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), pred)
    assert len(leaves) == 4
