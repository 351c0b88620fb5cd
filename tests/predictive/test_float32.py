"""Results in float32 equal those in float64 to float32 precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.predictive.mixtures import SCALES, mixture

P = np.array([1e-6, 0.1, 0.5, 0.9, 1 - 1e-4])
METHODS = {
    "mean": (lambda pred: pred.mean, 1e-6),
    "aleatoric": (lambda pred: pred.aleatoric, 1e-5),
    "epistemic": (lambda pred: pred.epistemic, 1e-5),
    "log_prob": (lambda pred: pred.log_prob(1.3), 1e-4),
    "cdf": (lambda pred: pred.cdf(1.3), 1e-5),
    "quantile": (lambda pred: pred.quantile(P), 1e-4),
    "crps": (lambda pred: pred.crps(1.3), 1e-4),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", METHODS)
def test_results_agree(method, scale):
    compute, tolerance = METHODS[method]
    exact = np.asarray(compute(mixture(SCALES[scale])))
    with jax.enable_x64(False):
        got = compute(mixture(SCALES[scale]))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, exact, rtol=tolerance, atol=tolerance)


def test_sample_is_float32(key):
    with jax.enable_x64(False):
        draws = mixture(SCALES["log"]).sample(key=key, num=3)
    assert draws.dtype == jnp.float32
