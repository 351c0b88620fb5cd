"""A model whose predictions are given by a function of the test."""

from collections.abc import Callable
from typing import Any

import equinox as eqx

from battprob.models.base import AbstractModel


class FakePosterior(eqx.Module):
    """`predict` calls a function of the features and the known noise variances."""

    function: Callable
    uses_groups = False

    def predict(self, x, *, noise_variance: Any = None):
        return self.function(x, noise_variance)


class FakeModel(AbstractModel):
    """`fit` calls `learn(dataset, key)`, which returns the function of the posterior."""

    learn: Callable = eqx.field(static=True)

    def uses(self, field):
        return field != "groups"

    def fit(self, dataset, *, key):
        return FakePosterior(self.learn(dataset, key))
