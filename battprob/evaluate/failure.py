"""A predicted life is a classifier too: the probability that it falls short."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import normal_cdf_and_density
from battprob._typing import ArrayLike
from battprob.predictive import ClassPredictive, Predictive

_NODES = 127  # prime, so that the lattice below has no two nodes in a line
_STEP = 47


def probability_below(pred: Predictive, threshold: ArrayLike) -> ClassPredictive:
    r"""P(target < threshold), with what is not known of it on the draws.

    In draw s with the functions f_k known the probability is
    $\sum_k w_{sk}\,\Phi((z - f_k) / \sigma_{sk})$, z the threshold on the model's scale;
    f_k is integrated over its own uncertainty by a 127-node lattice in probability (as
    many draws for each of the predictive's). Noise of measurement is aleatoric: it moves
    the probability towards one half and not its variance.

    Args:
        pred: predictions, of life say.
        threshold: the specification, in the target's unit; one, or one a prediction.

    Example:
        >>> life = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> p = probability_below(life, 450.0)
        >>> abs(float(p.mean - life.cdf(450.0))) < 1e-4, float(p.epistemic) > 0
        (True, True)
    """
    threshold = jnp.broadcast_to(
        jnp.asarray(threshold, pred.location.dtype), pred.shape
    )
    return _probability_below(pred, threshold)


@eqx.filter_jit
def _probability_below(pred, threshold):
    z = pred.transform.inverse(threshold)
    draws, components = pred.location.shape[:2]
    # A rank-one (Korobov) lattice: functions of different components are independent.
    count = np.arange(_NODES)[:, None]
    multiplier = np.array([pow(_STEP, k, _NODES) for k in range(components)])
    share = jnp.asarray(((count * multiplier) % _NODES + 0.5) / _NODES, z.dtype)
    node = ndtri(share).reshape((_NODES, 1, components, *(1,) * len(pred.shape)))
    f = pred.location[None] + safe_sqrt(pred.function_variance)[None] * node
    scale = jnp.sqrt(jnp.maximum(pred.noise_variance, jnp.finfo(z.dtype).tiny))
    cdf, _ = normal_cdf_and_density((z[None, None, None] - f) / scale[None])
    inside = jnp.exp(pred.log_weight)
    draw = inside.sum(1)
    probability = (inside[None] * cdf).sum(2) / draw[None]
    weight = jnp.broadcast_to(jnp.log(draw)[None], probability.shape)
    shape = (_NODES * draws, *pred.shape)
    probability = jnp.clip(probability, 0.0, 1.0)  # a sum of weights, to rounding
    return ClassPredictive(probability.reshape(shape), weight.reshape(shape))
