"""`ClassPredictive`: predicted probability of a binary outcome, with both variances.

Posterior draws disagree about the probability p of an outcome Y in {0, 1}, and

    Var Y = E[p (1 - p)] + Var p = aleatoric + epistemic = mean (1 - mean)

A coin that is known to be fair and a coin of unknown bias have the same mean and variance.
The variance of the first is aleatoric; part of the variance of the second is epistemic,
and tosses would reduce it.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import entr

from battprob._typing import Array, ArrayLike, Float, PRNGKey


class ClassPredictive(eqx.Module):
    """Predictive distribution of `*b` binary outcomes with uncertain probabilities.

    Args:
        probability: posterior draws of P(Y = 1), with shape [draws, *batch].
        log_weight: log weights of the draws, normalised here; default equal weights.

    Example:
        >>> fair = ClassPredictive([[0.5], [0.5]])
        >>> unknown = ClassPredictive([[0.0], [1.0]])
        >>> float(fair.aleatoric[0]), float(unknown.epistemic[0])
        (0.25, 0.25)
    """

    probability: Float[Array, "s *b"]
    log_weight: Float[Array, "s *b"]

    def __init__(self, probability: ArrayLike, log_weight: ArrayLike = 0.0):
        dtype = jnp.result_type(float)
        probability = jnp.asarray(probability, dtype)
        if probability.ndim < 1:
            raise ValueError(
                "probability must have the axes [draws, *batch]; got a single number. For "
                "one known probability p use [p]"
            )
        weight = jnp.asarray(log_weight, dtype)
        missing = probability.ndim - weight.ndim if weight.ndim else 0
        weight = weight.reshape(weight.shape + (1,) * missing)
        self.probability, self.log_weight = _normalised(probability, weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch of outcomes, `*b`."""
        return self.probability.shape[1:]

    @property
    def mean(self) -> Float[Array, "*b"]:
        """P(Y = 1), averaged over the draws."""
        return _average(self, self.probability)

    @property
    def aleatoric(self) -> Float[Array, "*b"]:
        """E[p (1 - p)]: the variance that remains if p is known."""
        return _average(self, self.probability * (1 - self.probability))

    @property
    def epistemic(self) -> Float[Array, "*b"]:
        """Var p: the variance that more data would reduce."""
        return _average(self, (self.probability - self.mean[None]) ** 2)

    @property
    def variance(self) -> Float[Array, "*b"]:
        """aleatoric + epistemic, the variance of the outcome."""
        return self.mean * (1 - self.mean)

    @property
    def entropy(self) -> Float[Array, "*b"]:
        """Entropy of the outcome in nats; at most log 2 = 0.693."""
        return _entropy(self.mean)

    @property
    def mutual_information(self) -> Float[Array, "*b"]:
        """Mutual information of the outcome and p in nats: the epistemic part of `entropy`.

        H(E p) - E H(p), see Houlsby et al., Bayesian active learning for classification
        and preference learning, arXiv:1112.5745 (2011), eq. 2.
        """
        aleatoric = _average(self, _entropy(self.probability))
        return jnp.maximum(self.entropy - aleatoric, 0.0)

    def log_prob(self, y: ArrayLike) -> Float[Array, "..."]:
        """Log probability of outcomes `y` of 0 and 1 (or False and True)."""
        return jnp.log(jnp.where(jnp.asarray(y, bool), self.mean, self.complement))

    @property
    def complement(self) -> Float[Array, "*b"]:
        """P(Y = 0), accurate where it is tiny, unlike 1 - mean."""
        return _average(self, 1 - self.probability)

    def sample(self, *, key: PRNGKey, num: int) -> Float[Array, "num *b"]:
        """Draw `num` independent outcomes, 0 or 1, for every element of the batch."""
        shape = (num, *self.shape)
        outcome = jax.random.bernoulli(
            key, jnp.broadcast_to(self.mean[None], shape), shape
        )
        return outcome.astype(self.probability.dtype)

    def take(self, indices: ArrayLike | slice) -> "ClassPredictive":
        """Select outcomes along the first batch axis."""
        rows = indices if isinstance(indices, slice) else jnp.asarray(indices)
        return jax.tree.map(lambda leaf: leaf[:, rows], self)


@jax.jit
def _normalised(probability, weight):
    probability, weight = jnp.broadcast_arrays(probability, weight)
    return probability, jax.nn.log_softmax(weight, axis=0)


@eqx.filter_jit
def _average(pred, values):
    return (jnp.exp(pred.log_weight) * values).sum(0)


def _entropy(p):
    return entr(p) + entr(1 - p)
