"""A compiled function of a posterior is not traced again for later fits of one bucket."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset
from battprob.models import BayesianLinear, GaussianProcess

MODELS = {"linear": BayesianLinear(), "gp": GaussianProcess()}


@pytest.mark.parametrize("name", MODELS)
def test_new_fits_need_no_new_trace(name):
    new = jnp.asarray(np.linspace(0, 1, 8)[:, None])
    traces = []

    @eqx.filter_jit
    def mean(posterior, x):
        traces.append(1)
        return posterior.predict(x).mean

    x = np.linspace(0, 1, 15)
    y = np.sin(6 * x) + 0.1 * np.cos(90 * x)
    for num in (11, 13, 15):
        data = Dataset(x[:num], y[:num]).padded()
        posterior = MODELS[name].fit(data, key=jax.random.key(num))
        compiled = mean(posterior, new)
        np.testing.assert_allclose(compiled, posterior.predict(new).mean, rtol=1e-9)
    assert len(traces) == 1
