"""Weights of a mixture of models, by what each predicts of held-out rows."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float

_STEPS = 2000


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
