"""Numbers in acquisitions are array leaves: another number compiles nothing."""

import functools

import equinox as eqx
import jax
import numpy as np
import pytest

from battprob import Dataset, design
from battprob.design import acquisition, batch_acquisition
from battprob.models import GaussianProcess

KEY = jax.random.key(0)
X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=KEY)


def cost(x):
    return 1 + x[:, 0] ** 2


WITH_NUMBER = {
    "UCB": design.UCB,
    "LogEI": design.LogEI,
    "LogPI": design.LogPI,
    "AugmentedEI": design.AugmentedEI,
    "IntegratedVariance": lambda number: design.IntegratedVariance([number, 0.3]),
    "RiskAverse": lambda number: design.RiskAverse(design.UCB(number), number),
    "Constrained": lambda number: design.Constrained(
        design.LogEI(number), posterior(), lower=-number, upper=number
    ),
    "PerCost": lambda number: design.PerCost(design.LogEI(number), cost, power=number),
    "LogEHVI": lambda number: design.LogEHVI([-3 - number, -4.0]),
    "LogChebyshevEI": lambda number: design.LogChebyshevEI(
        [-number, -2.0], [1.0, number]
    ),
    "BatchUCB": design.BatchUCB,
    "BatchLogNEI": design.BatchLogNEI,
}


@pytest.mark.parametrize("name", WITH_NUMBER)
def test_another_number_uses_the_same_program(name, monkeypatch):
    several = name in ("LogEHVI", "LogChebyshevEI")
    fitted = (posterior(), posterior()) if several else posterior()
    x = NEW[:, None] if name.startswith("Batch") else NEW
    prepared = [
        WITH_NUMBER[name](number).prepare(fitted, NEW, key=KEY) for number in (0.5, 0.9)
    ]
    for module in (acquisition, batch_acquisition):
        inside = module._values.__wrapped__
        guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
        monkeypatch.setattr(module, "_values", guarded)
    values = [np.asarray(one(fitted, x)) for one in prepared]
    assert not np.allclose(*values)
