"""Components that share one function: their errors are perfectly correlated."""

import jax
import numpy as np
import pytest

from battprob import Predictive, transforms

SCALES = {"identity": transforms.Identity(), "log": transforms.Log()}
OFFSET, WEIGHT = np.array([-0.6, 0.1, 0.8]), np.array([0.3, 0.5, 0.2])


@pytest.mark.parametrize("scale", SCALES)
def test_decomposition_matches_simulated_functions(scale):
    transform = SCALES[scale]
    pred = Predictive(
        OFFSET[None], 0.04, 0.09, np.log(WEIGHT)[None], transform, shared_function=True
    )
    rng = np.random.default_rng(0)
    function = 0.3 * rng.normal(size=200_000)
    noise = 0.2 * rng.normal(size=(200_000, 1))
    y = np.asarray(transform.forward(function[:, None] + OFFSET[None] + noise))
    # E[y | f, component]: moments of the transform without function variance.
    inner = transform.moments(function[:, None] + OFFSET[None], 0.04, 0.0)
    mean_f = np.asarray(inner[0]) @ WEIGHT
    within = (np.broadcast_to(inner[1], y.shape) @ WEIGHT).mean()
    assert float(pred.mean) == pytest.approx(mean_f.mean(), rel=0.01)
    assert float(pred.epistemic) == pytest.approx(mean_f.var(), rel=0.02)
    assert float(pred.within) == pytest.approx(within, rel=0.02)
    total = (y**2).mean(0) @ WEIGHT - mean_f.mean() ** 2
    assert float(pred.variance) == pytest.approx(total, rel=0.02)


def test_equal_components_have_no_variance_between_them():
    shared = Predictive(np.zeros((2, 3)), 1.0, 2.0, 0.0, shared_function=True)
    independent = Predictive(np.zeros((2, 3)), 1.0, 2.0, 0.0)
    assert float(shared.between) == pytest.approx(0.0, abs=1e-12)
    assert float(shared.epistemic) == pytest.approx(2.0)
    assert float(independent.epistemic) == pytest.approx(2 / 3)
    assert float(independent.variance) == pytest.approx(float(shared.variance))


def test_take_and_reweight_keep_the_setting():
    pred = Predictive(np.zeros((1, 2, 4)), 1.0, 2.0, 0.0, shared_function=True)
    assert pred.take([1]).shared_function
    assert pred.reweight([0.5, 0.5]).shared_function
    assert jax.tree.map(lambda leaf: leaf, pred).shared_function
