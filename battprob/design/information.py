"""What a test would tell, in nats: of the largest value, of the function, of a protocol."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp
from jax.scipy.stats import norm

from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float
from battprob.design._fantasies import Given, after, draw_function, run_tests
from battprob.design._posterior_view import (
    as_rows,
    function_law,
    noise_variance,
    require_gaussian,
    tested,
)
from battprob.design.acquisition import AbstractAcquisition, prepared
from battprob.predictive import ClassPredictive, Predictive


class MaxValueEntropy(AbstractAcquisition):
    r"""Information that a noisy test at x gives about the largest value f*, in nats.

    With f* drawn jointly over the reference and tested rows, γ = (f* - μ)/σ and
    ρ² = σ²/(σ² + noise), the mean over draws of

        -½ log(1 - ρ² r (γ + r)),   r = φ(γ)/Φ(γ)

    the least information that the moments of y given f <= f* allow. Without noise it is a
    little below the γ r/2 - log Φ(γ) of Wang and Jegelka (arXiv:1703.01968, eq. 6), which
    does not see noise. Tests still running count as done.

    References:
        Moss, Leslie, Gonzalez and Rayson, J. Mach. Learn. Res. 22 (2021) 235,
        arXiv:2102.03324, eq. 8.
    """

    largest: Float[Array, "s z"] | None = None
    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_gaussian(posterior, "MaxValueEntropy")
        rows = np.unique(
            np.concatenate([tested(posterior), as_rows(reference)]), axis=0
        )
        drawn = draw_function(posterior, rows, key=key, num=_DRAWS)
        return MaxValueEntropy(drawn.best(), run_tests(posterior, pending))

    def values(self, posterior, x):
        largest = prepared(self.largest, self)
        law = function_law(after(posterior, self.given), x)
        share = law.variance / (law.variance + noise_variance(posterior, x)[None])
        scale = jnp.sqrt(law.variance)
        gamma = (largest[:, :, None] - law.mean[:, None]) / scale[:, None]
        ratio = jnp.exp(norm.logpdf(gamma) - log_ndtr(gamma))
        # Variance left of f when it is at most f*, as a part of what it was.
        left = jnp.clip(1 - ratio * (gamma + ratio), _LEAST_LEFT, 1.0)
        told = -0.5 * jnp.log1p(-share[:, None] * (1 - left))
        return jnp.sum(jnp.exp(law.log_weight) * told.mean(1), axis=0)


class InformationGain(AbstractAcquisition):
    r"""Information that a test gives about all that more tests would settle, in nats.

    $I(y; f, \theta) = H(y) - E_{f,\theta} H(y \mid f, \theta)$: of a classifier the mutual
    information of outcome and probability (BALD); of a Gaussian process near
    ½ log(1 + epistemic/aleatoric). The noise of the instrument tells nothing. Of a mixture
    of components with functions of their own, H(y | f, θ) is that with these at their
    means. Tests still running count as done.

    References:
        Houlsby et al., arXiv:1112.5745 (2011), eq. 2; Lindley, Ann. Math. Stat. 27 (1956)
        986, doi:10.1214/aoms/1177728069.
    """

    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference, key
        return InformationGain(run_tests(posterior, pending))

    def values(self, posterior, x):
        pred = after(posterior, self.given).predict(x)
        if isinstance(pred, ClassPredictive):
            # At a certain outcome entropies have no slope.
            tiny = jnp.finfo(pred.probability.dtype).eps
            probability = jnp.clip(pred.probability, tiny, 1 - tiny)
            return ClassPredictive(probability, pred.log_weight).mutual_information
        everything = _entropy(
            *_flat(pred, pred.noise_variance + pred.function_variance)
        )
        draw = logsumexp(pred.log_weight, axis=1)
        inside = pred.log_weight - draw[:, None]
        known = _entropy(
            *(
                jnp.moveaxis(field, 1, 0)
                for field in (pred.location, _positive(pred.noise_variance), inside)
            )
        )
        return everything - jnp.sum(jnp.exp(draw) * known, axis=0)


class ComponentInformation(AbstractAcquisition):
    r"""Information that a test gives about which component a cell is of, in nats.

    $I(y; k) = E \log p(y \mid k)/p(y)$ over the components (latent protocols, batches) of
    the predictive mixture: the test that tells one protocol from another is where their
    predictions differ by more than their spread. Nought for one component.

    References:
        Lindley, Ann. Math. Stat. 27 (1956) 986, doi:10.1214/aoms/1177728069.
    """

    def prepare(self, posterior, reference, *, key, pending=None):
        del posterior, reference, key, pending
        return self

    def values(self, posterior, x):
        pred = posterior.predict(x)
        total = pred.noise_variance + pred.function_variance
        component = logsumexp(pred.log_weight, axis=0)
        within = pred.log_weight - component[None]
        alone = _entropy(pred.location, _positive(total), within)
        return _entropy(*_flat(pred, total)) - jnp.sum(
            jnp.exp(component) * alone, axis=0
        )


def _flat(pred: Predictive, variance: Float[Array, "s k m"]) -> Any:
    """A mixture over draws and components on one axis."""
    fields = (pred.location, _positive(variance), pred.log_weight)
    return (field.reshape(-1, field.shape[-1]) for field in fields)


def _entropy(
    location: Float[Array, "j *b"],
    variance: Float[Array, "j *b"],
    log_weight: Float[Array, "j *b"],
) -> Float[Array, "*b"]:
    """Entropy of mixtures of Gaussians, by Gauss-Hermite nodes of every component."""
    node, log_share = normal_nodes(_NODES)
    shape = (_NODES, *(1,) * location.ndim)
    node, share = (
        jnp.asarray(a, location.dtype).reshape(shape) for a in (node, np.exp(log_share))
    )
    scale = jnp.sqrt(variance)
    y = location[None] + scale[None] * node
    # [node, made by j, seen by i, ...]
    log_density = norm.logpdf(y[:, :, None], location[None, None], scale[None, None])
    log_density = logsumexp(log_density + log_weight[None, None], axis=2)
    return -jnp.sum(share * jnp.exp(log_weight)[None] * log_density, axis=(0, 1))


def _positive(variance):
    return jnp.maximum(variance, jnp.finfo(variance.dtype).tiny ** 0.5)


_DRAWS = 64
_NODES = 24
_LEAST_LEFT = 1e-9
