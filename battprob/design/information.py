"""Information that a test gives, in nats: about the maximum, the function, the component."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp
from jax.scipy.stats import norm

from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    mean_fantasies,
    sample_function,
)
from battprob.design._posterior_view import (
    as_rows,
    expected_noise_variance,
    function_marginals,
    observed_rows,
    require_function_moments,
)
from battprob.design.acquisition import AbstractAcquisition, prepared
from battprob.predictive import ClassPredictive, Predictive


class MaxValueEntropy(AbstractAcquisition):
    r"""Information that a noisy test at x gives about the maximum f*, in nats.

    f* is drawn jointly over the reference rows and the observed rows. With
    γ = (f* - μ)/σ and ρ² = σ²/(σ² + noise), the value is the mean over draws of

        -½ log(1 - ρ² r (γ + r)),   r = φ(γ)/Φ(γ)

    which is the least information that is consistent with the first two moments of y
    given f <= f*. Without noise it is slightly below γ r/2 - log Φ(γ) of Wang and Jegelka
    (arXiv:1703.01968, eq. 6), which ignores noise. Pending tests count as complete.

    References:
        Moss, Leslie, Gonzalez and Rayson, J. Mach. Learn. Res. 22 (2021) 235,
        arXiv:2102.03324, eq. 8.
    """

    largest: Float[Array, "s z"] | None = None
    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "MaxValueEntropy")
        rows = np.concatenate([observed_rows(posterior), as_rows(reference)])
        rows = np.unique(rows, axis=0)
        drawn = sample_function(posterior, rows, key=key, num=_NUM_DRAWS)
        return MaxValueEntropy(drawn.best(), mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        largest = prepared(self.largest, self)
        marginals = function_marginals(condition_on(posterior, self.fantasies), x)
        noise = expected_noise_variance(posterior, x)
        fraction = marginals.variance / (marginals.variance + noise[None])
        scale = jnp.sqrt(marginals.variance)
        gamma = (largest[:, :, None] - marginals.mean[:, None]) / scale[:, None]
        ratio = jnp.exp(norm.logpdf(gamma) - log_ndtr(gamma))
        # Variance of f truncated at f*, relative to its variance before; rounding may
        # take it out of (0, 1], where the logarithm below is not finite.
        remaining = jnp.clip(1 - ratio * (gamma + ratio), _LEAST_REMAINING, 1.0)
        information = -0.5 * jnp.log1p(-fraction[:, None] * (1 - remaining))
        return jnp.sum(jnp.exp(marginals.log_weight) * information.mean(1), axis=0)


class InformationGain(AbstractAcquisition):
    r"""Information that a test gives about the function and the parameters, in nats.

    $I(y; f, \theta) = H(y) - E_{f,\theta} H(y \mid f, \theta)$. For a classifier this is
    the mutual information of outcome and probability (BALD); for a Gaussian process it
    is about ½ log(1 + epistemic/aleatoric). Noise gives no information. For a mixture
    whose components have functions of their own, H(y | f, θ) is evaluated with these
    functions at their means. Pending tests count as complete.

    References:
        Houlsby et al., arXiv:1112.5745 (2011), eq. 2; Lindley, Ann. Math. Stat. 27 (1956)
        986, doi:10.1214/aoms/1177728069.
    """

    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        return InformationGain(mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        pred = condition_on(posterior, self.fantasies).predict(x)
        if isinstance(pred, ClassPredictive):
            # The gradient of an entropy is infinite at probabilities of zero and one.
            eps = jnp.finfo(pred.probability.dtype).eps
            probability = jnp.clip(pred.probability, eps, 1 - eps)
            return ClassPredictive(probability, pred.log_weight).mutual_information
        total = _entropy(*_flat(pred, pred.noise_variance + pred.function_variance))
        draw = logsumexp(pred.log_weight, axis=1)
        component = pred.log_weight - draw[:, None]
        noise = _entropy(
            *(
                jnp.moveaxis(field, 1, 0)
                for field in (pred.location, _positive(pred.noise_variance), component)
            )
        )
        return total - jnp.sum(jnp.exp(draw) * noise, axis=0)


class ComponentInformation(AbstractAcquisition):
    r"""Information that a test gives about the component of a cell, in nats.

    $I(y; k) = E \log p(y \mid k)/p(y)$ over the components (latent protocols, batches) of
    the predictive mixture. It is largest where the predictions of the components differ
    by more than their standard deviations, and zero for a single component. Pending
    tests are ignored.

    References:
        Lindley, Ann. Math. Stat. 27 (1956) 986, doi:10.1214/aoms/1177728069.
    """

    needs_function_moments = False

    def prepare(self, posterior, reference, *, key, pending=None):
        return self

    def values(self, posterior, x):
        pred = posterior.predict(x)
        variance = pred.noise_variance + pred.function_variance
        component = logsumexp(pred.log_weight, axis=0)
        draw = pred.log_weight - component[None]
        within = _entropy(pred.location, _positive(variance), draw)
        total = _entropy(*_flat(pred, variance))
        return total - jnp.sum(jnp.exp(component) * within, axis=0)


def _flat(pred: Predictive, variance: Float[Array, "s k m"]) -> Any:
    """Location, variance and log weight with draws and components on one axis."""
    fields = (pred.location, _positive(variance), pred.log_weight)
    return (field.reshape(-1, field.shape[-1]) for field in fields)


def _entropy(
    location: Float[Array, "j *b"],
    variance: Float[Array, "j *b"],
    log_weight: Float[Array, "j *b"],
) -> Float[Array, "*b"]:
    """Entropy of Gaussian mixtures of j parts, by Gauss-Hermite nodes of each part."""
    node, log_node_weight = normal_nodes(_NUM_NODES)
    shape = (_NUM_NODES, *(1,) * location.ndim)
    node, node_weight = (
        jnp.asarray(a, location.dtype).reshape(shape)
        for a in (node, np.exp(log_node_weight))
    )
    scale = jnp.sqrt(variance)
    y = location[None] + scale[None] * node
    # Axes: node, part that y is drawn from, part whose density is evaluated, batch.
    log_density = norm.logpdf(y[:, :, None], location[None, None], scale[None, None])
    log_density = logsumexp(log_density + log_weight[None, None], axis=2)
    weight = node_weight * jnp.exp(log_weight)[None]
    return -jnp.sum(weight * log_density, axis=(0, 1))


def _positive(variance):
    return jnp.maximum(variance, jnp.finfo(variance.dtype).tiny ** 0.5)


_NUM_DRAWS = 64
_NUM_NODES = 24
_LEAST_REMAINING = 1e-9
