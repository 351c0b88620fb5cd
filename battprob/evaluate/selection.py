"""Choosing among models by what they predict, and weights to mix them by."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float
from battprob.evaluate.crossval import cross_validate
from battprob.models.base import AbstractModel

_STEPS = 2000


class BestOf(AbstractModel):
    """The model that predicts held-out rows of the training data with most density.

    As a model it is chosen afresh in every fold: `cross_validate(BestOf(models), data)`
    is nested cross-validation, whose scores the choice has not flattered.

    Args:
        models: candidates by name.
        splits: inner splits; default as for `cross_validate`.

    Example:
        >>> from battprob.models import BayesianLinear
        >>> from battprob import Dataset
        >>> x = np.linspace(0, 1, 20)
        >>> best = BestOf({"line": BayesianLinear()})
        >>> best.fit(Dataset(x, 3 * x + np.cos(40 * x)), key=jax.random.key(0)).report
        FitReport(...)
    """

    models: dict[str, AbstractModel]
    splits: Any = None

    def fit(self, dataset, *, key):
        key_choice, key_fit = jax.random.split(key)

        def density(model):
            result = cross_validate(
                model, dataset, self.splits, key=key_choice, progress=False
            )
            scores = result.scores
            return scores["nlpd" if "nlpd" in scores.values else "log_loss"]

        losses = {name: density(model) for name, model in self.models.items()}
        best = min(losses, key=lambda name: losses[name])
        return self.models[best].fit(dataset, key=key_fit)


def stacking_weights(log_densities: Float[np.ndarray, "n m"]) -> Float[Array, " m"]:
    r"""Weights of a mixture of models that predicts held-out rows with most density.

    $$\max_w \sum_i \log \sum_m w_m\,p_m(y_i), \qquad w_m \ge 0,\; \sum_m w_m = 1,$$

    concave, by 2000 steps of expectation-maximisation, each of which raises it. A model
    that adds nothing to the others gets nothing, however close it comes to them.

    Args:
        log_densities: log predictive density of each held-out target by each model.

    Raises:
        DataError: a target has no density under any model.

    Example:
        >>> stacking_weights(np.log([[0.5, 0.1], [0.5, 0.1]])).round(3).tolist()
        [1.0, 0.0]

    References:
        Yao, Vehtari, Simpson and Gelman, Using stacking to average Bayesian predictive
        distributions, Bayesian Anal. 13, 917 (2018), doi:10.1214/17-BA1091, eq. 5.
    """
    log_densities = np.asarray(log_densities)
    best = log_densities.max(1, keepdims=True)
    if not np.isfinite(best).all():
        row = int(np.flatnonzero(~np.isfinite(best[:, 0]))[0])
        raise DataError(f"target {row} has no density under any model")
    return _stacked(jnp.asarray(np.exp(log_densities - best)))


@jax.jit
def _stacked(density):
    num = density.shape[1]

    def step(_, weight):
        share = weight[None] * density
        return (share / share.sum(1, keepdims=True)).mean(0)

    start = jnp.full(num, 1 / num, density.dtype)
    return jax.lax.fori_loop(0, _STEPS, step, start)
