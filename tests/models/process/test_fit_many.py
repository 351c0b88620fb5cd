"""`fit_many` equals separate fits."""

import numpy as np
import pytest

import battprob as bp
from battprob import DataError

MODEL = bp.models.GaussianProcess(inference=bp.inference.MAP(num_starts=2))


def datasets():
    """Datasets of unequal length, the last with repeated rows."""
    rng = np.random.default_rng(0)
    x = [rng.uniform(size=(n, 2)) for n in (20, 26, 26)]
    x[2][13:] = x[2][:13]
    return [bp.Dataset(a, np.sin(6 * a[:, 0]) + rng.normal(size=len(a))) for a in x]


def test_results_equal_those_of_single_fits(key):
    posteriors = MODEL.fit_many(datasets(), key=key)
    new = np.array([[0.2, 0.4], [0.9, 0.1]])
    for posterior, data in zip(posteriors, datasets(), strict=True):
        single = MODEL.fit(data, key=key)
        np.testing.assert_allclose(
            posterior.log_evidence, single.log_evidence, rtol=1e-6
        )
        one, other = posterior.predict(new), single.predict(new)
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-4)
        np.testing.assert_allclose(one.aleatoric, other.aleatoric, rtol=1e-4)
        more = data.take([0, 1])
        np.testing.assert_allclose(
            posterior.condition(more).predict(new).mean,
            single.condition(more).predict(new).mean,
            rtol=1e-4,
        )


def test_other_inference_is_refused(key):
    model = bp.models.GaussianProcess(inference=bp.inference.Laplace())
    with pytest.raises(DataError, match="fit the datasets one by one"):
        model.fit_many(datasets(), key=key)


def test_other_features_are_refused(key):
    other = bp.Dataset(np.eye(3), np.arange(3.0))
    with pytest.raises(DataError, match="same features"):
        MODEL.fit_many([*datasets(), other], key=key)
