"""With many rows, NUTS and the posterior mode give almost the same predictions."""

import numpy as np
import pytest

from battprob import Dataset
from battprob.inference import MAP, NUTS
from battprob.kernels import RBF
from battprob.models import GaussianProcess

pytestmark = pytest.mark.slow
NEW = np.linspace(-2, 2, 8)
SAMPLER = NUTS(num_samples=200, num_warmup=200, mode=MAP(1))


def test_agree_on_many_rows(key):
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, 128)
    data = Dataset(x, np.sin(2 * x) + 0.3 * rng.normal(size=128))
    mode, drawn = (
        GaussianProcess(RBF(), inference=inference).fit(data, key=key).predict(NEW)
        for inference in (MAP(), SAMPLER)
    )
    error = np.abs(drawn.mean - mode.mean)
    assert np.all(error < 0.5 * mode.epistemic**0.5)
    np.testing.assert_allclose(drawn.aleatoric, mode.aleatoric, rtol=0.05)
    np.testing.assert_allclose(drawn.epistemic, mode.epistemic, rtol=0.5)
