"""Many processes fitted together are those fitted one by one."""

import numpy as np
import pytest

import battprob as bp
from battprob import DataError

MODEL = bp.models.GaussianProcess(inference=bp.inference.MAP(num_starts=2))


def sets():
    """Of unequal lengths, the last with repeated rows."""
    rng = np.random.default_rng(0)
    x = [rng.uniform(size=(n, 2)) for n in (20, 26, 26)]
    x[2][13:] = x[2][:13]
    return [bp.Dataset(a, np.sin(6 * a[:, 0]) + rng.normal(size=len(a))) for a in x]


def test_answers_are_those_of_single_fits(key):
    together = MODEL.fit_many(sets(), key=key)
    new = np.array([[0.2, 0.4], [0.9, 0.1]])
    for posterior, data in zip(together, sets(), strict=True):
        alone = MODEL.fit(data, key=key)
        np.testing.assert_allclose(
            posterior.log_evidence, alone.log_evidence, rtol=1e-6
        )
        one, other = posterior.predict(new), alone.predict(new)
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-4)
        np.testing.assert_allclose(one.aleatoric, other.aleatoric, rtol=1e-4)
        more = data.take([0, 1])
        np.testing.assert_allclose(
            posterior.condition(more).predict(new).mean,
            alone.condition(more).predict(new).mean,
            rtol=1e-4,
        )


def test_other_inference_is_refused(key):
    model = bp.models.GaussianProcess(inference=bp.inference.Laplace())
    with pytest.raises(DataError, match="fit the datasets one by one"):
        model.fit_many(sets(), key=key)


def test_other_features_are_refused(key):
    other = bp.Dataset(np.eye(3), np.arange(3.0))
    with pytest.raises(DataError, match="same features"):
        MODEL.fit_many([*sets(), other], key=key)
