"""Converts a predicted life into the probability that it is below a specification."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import normal_cdf_and_density
from battprob._typing import ArrayLike
from battprob.predictive import ClassPredictive, Predictive

# The number of nodes is prime, so that no coordinate of the lattice below repeats a value.
_NODES = 127
_GENERATOR = 47


def probability_below(pred: Predictive, threshold: ArrayLike) -> ClassPredictive:
    r"""P(target < threshold), with the epistemic uncertainty of the target as draws.

    For draw s and given function values f_k the probability is
    $\sum_k w_{sk}\,\Phi((z - f_k) / \sigma_{sk})$, where z is the threshold on the model's
    scale. Function values are integrated over their uncertainty with a lattice of 127
    nodes, so the result has 127 draws per draw of `pred`. Measurement noise is aleatoric:
    it shifts the probability towards 0.5 but does not increase its variance.

    Args:
        pred: predictions, for example of life.
        threshold: specification in the unit of the target; one value, or one per
            prediction.

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
    # A rank-one (Korobov) lattice has one coordinate per component, because functions of
    # different components are independent.
    count = np.arange(_NODES)[:, None]
    multiplier = np.array([pow(_GENERATOR, k, _NODES) for k in range(components)])
    uniform = jnp.asarray(((count * multiplier) % _NODES + 0.5) / _NODES, z.dtype)
    node = ndtri(uniform).reshape((_NODES, 1, components, *(1,) * len(pred.shape)))
    f = pred.location[None] + safe_sqrt(pred.function_variance)[None] * node
    # Zero noise makes the probability a step function of f: the smallest positive variance
    # gives the same result without 0 / 0.
    scale = jnp.sqrt(jnp.maximum(pred.noise_variance, jnp.finfo(z.dtype).tiny))
    cdf, _ = normal_cdf_and_density((z[None, None, None] - f) / scale[None])
    joint_weight = jnp.exp(pred.log_weight)
    draw_weight = joint_weight.sum(1)
    probability = (joint_weight[None] * cdf).sum(2) / draw_weight[None]
    weight = jnp.broadcast_to(jnp.log(draw_weight)[None], probability.shape)
    shape = (_NODES * draws, *pred.shape)
    # A sum of weights can exceed one by rounding.
    probability = jnp.clip(probability, 0.0, 1.0)
    return ClassPredictive(probability.reshape(shape), weight.reshape(shape))
