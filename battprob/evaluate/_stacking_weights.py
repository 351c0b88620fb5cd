"""Weights of a mixture of models that maximise the density of held-out targets."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float
from battprob.evaluate.crossval import CrossValidation

_STEPS = 2000


def stacking_weights(log_densities: Float[np.ndarray, "n m"]) -> Float[Array, " m"]:
    r"""Weights of the mixture of models with the highest density of held-out targets.

    $$\max_w \sum_i \log \sum_m w_m\,p_m(y_i), \qquad w_m \ge 0,\; \sum_m w_m = 1$$

    The objective is concave. It is maximised by 2000 EM steps, none of which can decrease
    it. A model that adds nothing to the others gets weight zero, even if it is nearly as
    good as they are.

    Args:
        log_densities: log predictive density of each held-out target under each model.

    Raises:
        DataError: a target has zero density under all models.

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
        raise DataError(
            f"target {row} has zero density under all models, so no weights can be found. "
            "Check this target, or add a model with heavier tails"
        )
    # The weights do not depend on a factor common to all models of one row; dividing by
    # the largest density prevents underflow.
    return _optimal_weights(jnp.asarray(np.exp(log_densities - best)))


def cross_validated_weights(
    results: Mapping[str, CrossValidation],
) -> Float[Array, " m"]:
    """Stacking weights of models that were cross-validated on the same folds."""
    densities = [result.log_densities for result in results.values()]
    return stacking_weights(np.stack(densities, axis=1))


@jax.jit
def _optimal_weights(density):
    num = density.shape[1]

    def em_step(_, weight):
        joint = weight[None] * density
        responsibilities = joint / joint.sum(1, keepdims=True)
        return responsibilities.mean(0)

    start = jnp.full(num, 1 / num, density.dtype)
    return jax.lax.fori_loop(0, _STEPS, em_step, start)
