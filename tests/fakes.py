"""A model that says what the test tells it to."""

from collections.abc import Callable
from typing import Any

import equinox as eqx

from battprob.models.base import AbstractModel


class FakePosterior(eqx.Module):
    """Answers `predict` by calling a function of the features."""

    answer: Callable
    uses_groups = False

    def predict(self, x, *, noise_variance: Any = None):
        return self.answer(x, noise_variance)


class FakeModel(AbstractModel):
    """`fit` calls `learn(dataset, key)`, which gives the posterior's `answer`."""

    learn: Callable = eqx.field(static=True)

    def fit(self, dataset, *, key):
        return FakePosterior(self.learn(dataset, key))
