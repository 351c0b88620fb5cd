"""One program a question: new numbers do not retrace, and jit outside changes nothing."""

import equinox as eqx
import jax
import numpy as np
import pytest

from battprob import predictive
from tests.predictive.mixtures import SCALES, mixture

ASK = {
    "_split": lambda pred, key, scale: pred.variance,
    "_log_prob": lambda pred, key, scale: pred.log_prob(scale),
    "_cdf": lambda pred, key, scale: pred.cdf(scale),
    "_quantile": lambda pred, key, scale: pred.interval(0.9 * scale),
    "_crps": lambda pred, key, scale: pred.crps(scale),
    "_sample": lambda pred, key, scale: pred.sample(key=key, num=2),
}


@pytest.mark.parametrize("scale", ["identity", "log"])
@pytest.mark.parametrize("name", ASK)
def test_new_numbers_find_the_same_program(name, scale, monkeypatch):
    inside = getattr(predictive, name).__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(predictive, name, guarded)
    for seed in range(3):
        pred = mixture(SCALES[scale], seed)
        ASK[name](pred, jax.random.key(seed), 0.3 + 0.1 * seed)
    with pytest.raises(RuntimeError, match="can only be traced 1 times"):
        ASK[name](mixture(SCALES[scale]).take(slice(2)), jax.random.key(0), 0.5)


@pytest.mark.parametrize("name", ASK)
def test_jit_outside_changes_nothing(name):
    pred = mixture(SCALES["log"])
    ask = ASK[name]
    key = jax.random.key(1)
    plain = ask(pred, key, 0.5)
    jitted = eqx.filter_jit(lambda pred, key: ask(pred, key, 0.5))(pred, key)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), plain, jitted
    )


def test_a_predictive_goes_through_jit_and_comes_back():
    pred = mixture(SCALES["softplus"])
    back = eqx.filter_jit(lambda pred: pred)(pred)
    assert eqx.tree_equal(pred, back)
    leaves, structure = jax.tree.flatten(pred)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), pred)
    assert len(leaves) == 4
