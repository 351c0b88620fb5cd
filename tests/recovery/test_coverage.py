"""90 % intervals contain 90 % of new targets, and a varying noise variance is recovered."""

import numpy as np
import pytest
from scipy.stats import binom

from battprob import Dataset, noise
from battprob.data.synthetic import heteroscedastic_regression
from battprob.kernels import Matern52
from battprob.models import BayesianLinear, GaussianProcess

pytestmark = pytest.mark.slow
NUM, NUM_NEW, SEEDS = 300, 300, range(4)


def _split(num_features, seed):
    problem = heteroscedastic_regression(
        NUM + NUM_NEW, num_features=num_features, seed=seed
    )
    data = Dataset(problem.x[:NUM], problem.y[:NUM])
    return problem, data


@pytest.mark.parametrize("num_features", [1, 5])
def test_coverage_and_gain_of_a_noise_model(num_features, key):
    covered, gains, log_ratios = 0, [], []
    head = noise.LogLinear([num_features - 1])
    for seed in SEEDS:
        problem, data = _split(num_features, seed)
        new, y = problem.x[NUM:], problem.y[NUM:]
        varying, constant = (
            GaussianProcess(Matern52(), head).fit(data, key=key).predict(new)
            for head in (head, noise.Constant())
        )
        low, high = varying.interval(0.9)
        covered += int(np.sum((y >= low) & (y <= high)))
        nlpd = [-float(p.log_prob(y).mean()) for p in (varying, constant)]
        gains.append(nlpd[1] - nlpd[0])
        log_ratios.append(np.log(varying.aleatoric / problem.sd[NUM:] ** 2))
    total = NUM_NEW * len(SEEDS)
    limits = binom(total, 0.9).ppf([0.001, 0.999])
    assert limits[0] <= covered <= limits[1], covered / total
    assert min(gains) > 0, gains
    # The variance is recovered over its range of a factor of a hundred.
    assert np.std(log_ratios) < 0.4
    assert abs(np.mean(log_ratios)) < 0.15


@pytest.mark.parametrize("kind", [BayesianLinear, GaussianProcess])
def test_more_rows_lower_epistemic_and_keep_aleatoric(kind, key):
    """Assert this for a linear function, which both models can fit."""
    aleatoric, epistemic = [], []
    for num in (30, 300):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(num, 2))
        y = x @ [1.0, -0.5] + 0.5 * rng.normal(size=num)
        pred = kind().fit(Dataset(x, y), key=key).predict(rng.normal(size=(50, 2)))
        aleatoric.append(pred.aleatoric.mean())
        epistemic.append(pred.epistemic.mean())
    assert aleatoric[1] == pytest.approx(0.25, rel=0.2)
    assert aleatoric[1] == pytest.approx(aleatoric[0], rel=0.5)
    assert epistemic[1] < 0.3 * epistemic[0]
