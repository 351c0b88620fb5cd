"""`Predictive`: what every model answers, a Gaussian mixture whose variance is split.

The mixture has two axes. **Draws** (s) are posterior draws, or quadrature nodes of what
is not known: where their means disagree, more data would settle it, so the disagreement
is *epistemic*. **Components** (k) are latent protocols or batches: where their means
disagree the next cell really may be either, so the disagreement is *aleatoric*. Inside
component k of draw s,

    f ~ N(location, function_variance)     epistemic: the function is not known
    z | f ~ N(f, noise_variance)           aleatoric: cells and instruments vary
    y = transform.forward(z)

With W_s the weight of draw s and w_sk the weights inside it, the law of total variance
gives, functions of different components being independent a posteriori (latent
protocols have a curve each),

    m_s       = Σ_k w_sk loc_sk
    within_s  = Σ_k w_sk noise_sk
    between_s = Σ_k w_sk (loc_sk - m_s)² + Σ_k w_sk (1 - w_sk) fvar_sk
    mean      = Σ_s W_s m_s
    aleatoric = Σ_s W_s (within_s + between_s)
    epistemic = Σ_s W_s (m_s - mean)² + Σ_s W_s Σ_k w_sk² fvar_sk

and aleatoric + epistemic is exactly the variance of the mixture. Where all components
share one function and are only shifted (batches), what is not known of it is not known
of any: Σ_k w_sk² fvar_sk becomes (Σ_k w_sk √fvar_sk)². Under a transform loc, noise and
fvar are replaced by E E[y|f], E Var(y|f) and Var E[y|f]: the same formulas then hold
for y (see `battprob.transforms`).
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.predictive._mixture import (
    Mixture,
    cdf_and_density,
    energy_score,
    log_density,
    quantile,
)
from battprob.transforms import AbstractTransform, Identity


class Predictive(eqx.Module):
    """Predictive distribution of `*b` targets, each a Gaussian mixture.

    Args:
        location: means of the components, on the model's scale.
        noise_variance: aleatoric variance inside each component (model's scale, squared).
        function_variance: epistemic variance of each component's mean.
        log_weight: log weights, joint over draws and components; normalised here.
        transform: strictly increasing map from the model's scale to the target's.
        shared_function: whether the components are one function, shifted.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(pred.std)
        50.0
    """

    location: Float[Array, "s k *b"]
    noise_variance: Float[Array, "s k *b"]
    function_variance: Float[Array, "s k *b"]
    log_weight: Float[Array, "s k *b"]
    transform: AbstractTransform
    shared_function: bool = eqx.field(static=True)

    def __init__(
        self,
        location: ArrayLike,
        noise_variance: ArrayLike,
        function_variance: ArrayLike,
        log_weight: ArrayLike,
        transform: AbstractTransform | None = None,
        *,
        shared_function: bool = False,
    ):
        fields = [
            jnp.asarray(a, jnp.result_type(float))
            for a in (location, noise_variance, function_variance, log_weight)
        ]
        shape = np.broadcast_shapes(*(field.shape for field in fields))
        if len(shape) < 2:
            raise ValueError(
                "Predictive fields need the axes [draws, components, *batch]; got shape "
                f"{shape}. For a plain Gaussian use Predictive.gaussian(...)."
            )
        self.location, self.noise_variance, self.function_variance, self.log_weight = (
            _normalised(*fields)
        )
        self.transform = Identity() if transform is None else transform
        self.shared_function = shared_function

    @classmethod
    def gaussian(
        cls,
        mean: ArrayLike,
        aleatoric: ArrayLike,
        epistemic: ArrayLike = 0.0,
        transform: AbstractTransform | None = None,
    ) -> "Predictive":
        """One draw, one component: N(mean, aleatoric + epistemic) of any shape."""
        lift = [
            jnp.asarray(a, jnp.result_type(float)) for a in (mean, aleatoric, epistemic)
        ]
        location, noise, function = _lifted(*lift)
        return cls(location, noise, function, np.zeros((1,) * location.ndim), transform)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the targets, `*b`."""
        return self.location.shape[2:]

    @property
    def mean(self) -> Float[Array, "*b"]:
        """Expected target."""
        return _split(self).mean

    @property
    def aleatoric(self) -> Float[Array, "*b"]:
        """Variance that no further test of this kind removes: within + between."""
        split = _split(self)
        return split.within + split.between

    @property
    def epistemic(self) -> Float[Array, "*b"]:
        """Variance that more data would remove."""
        return _split(self).epistemic

    @property
    def within(self) -> Float[Array, "*b"]:
        """Aleatoric part: noise inside a component."""
        return _split(self).within

    @property
    def between(self) -> Float[Array, "*b"]:
        """Aleatoric part: which component (protocol, batch) a new cell is on."""
        return _split(self).between

    @property
    def variance(self) -> Float[Array, "*b"]:
        """aleatoric + epistemic."""
        split = _split(self)
        return split.within + split.between + split.epistemic

    @property
    def std(self) -> Float[Array, "*b"]:
        """Square root of `variance`."""
        return safe_sqrt(self.variance)

    def log_prob(self, y: ArrayLike) -> Float[Array, "..."]:
        """Log density of targets `y`, broadcast against `*b`, per unit of y."""
        return _log_prob(self, jnp.asarray(y, self.location.dtype))

    def cdf(self, y: ArrayLike) -> Float[Array, "..."]:
        """P(target <= y)."""
        return _cdf(self, jnp.asarray(y, self.location.dtype))

    def quantile(self, p: ArrayLike) -> Float[Array, "..."]:
        """Targets below which probability `p` lies; shape of p, then `*b`.

        Newton's method on the log distribution function, inside a bracket that always
        shrinks; differentiable once, in p and in every field. NaN where p is no
        probability.
        """
        return _quantile(self, jnp.asarray(p, self.location.dtype))

    def interval(
        self, level: float = 0.9
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
        """Central interval that holds probability `level`: (low, high)."""
        low, high = self.quantile(jnp.array([0.5 * (1 - level), 0.5 * (1 + level)]))
        return low, high

    def crps(self, y: ArrayLike) -> Float[Array, "..."]:
        r"""Continuous ranked probability score, in units of y; smaller is better.

        $E|Y - y| - \frac12 E|Y - Y'|$, in closed form for Gaussian and lognormal
        mixtures (Grimit et al. 2006, Q. J. R. Meteorol. Soc. 132, 2925, eq. 5,
        doi:10.1256/qj.05.235).
        """
        return _crps(self, jnp.asarray(y, self.location.dtype))

    def sample(self, *, key: PRNGKey, num: int) -> Float[Array, "num *b"]:
        """`num` independent draws of every target (marginal: not joint over `*b`)."""
        return _sample(self, key, num)

    def take(self, indices: ArrayLike | slice) -> "Predictive":
        """The targets at `indices` of the first batch axis."""
        if isinstance(indices, slice):
            fields = jax.tree.map(lambda leaf: leaf[:, :, indices], _fields(self))
            return eqx.tree_at(_fields, self, fields)
        rows = indices if isinstance(indices, jax.Array) else np.asarray(indices)
        # A mask has as many rows as it has true entries: no program's shape can say that.
        return _taken(self, np.flatnonzero(rows) if rows.dtype == bool else rows)

    def reweight(self, weights: ArrayLike) -> "Predictive":
        """Replace the component weights inside every draw by `weights` [k] or [k *b].

        This is what a stated mix of protocols at deployment does: the draws keep their
        posterior weights.

        Raises:
            ValueError: there are more or fewer weights than components.
            RuntimeError: a weight is negative, or all are zero.
        """
        weight = jnp.asarray(weights, self.location.dtype)
        num_components = self.location.shape[1]
        if weight.shape[:1] != (num_components,):
            raise ValueError(f"{num_components} components; weights are {weight.shape}")
        wrong = jnp.any(weight < 0) | ~jnp.all(weight.sum(0) > 0)
        rule = "weights must not be negative, nor sum to zero"
        share = eqx.error_if(weight / weight.sum(0, keepdims=True), wrong, rule)
        missing = self.location.ndim - 1 - weight.ndim
        log_share = jnp.log(share).reshape((1, *weight.shape, *(1,) * missing))
        draw = logsumexp(self.log_weight, axis=1, keepdims=True)
        log_weight = jnp.broadcast_to(draw + log_share, self.location.shape)
        return eqx.tree_at(lambda pred: pred.log_weight, self, log_weight)


@jax.jit
def _lifted(*moments):
    return [a[None, None] for a in jnp.broadcast_arrays(*moments)]


@jax.jit
def _normalised(*fields):
    """Fields of one shape, weights that sum to one: in one program, not in fifteen."""
    *moments, weight = jnp.broadcast_arrays(*fields)
    return *moments, weight - logsumexp(weight, axis=(0, 1), keepdims=True)


@eqx.filter_jit
def _taken(pred, rows):
    fields = jax.tree.map(lambda leaf: leaf[:, :, rows], _fields(pred))
    return eqx.tree_at(_fields, pred, fields)


def _fields(pred):
    return pred.location, pred.noise_variance, pred.function_variance, pred.log_weight


class _Split(NamedTuple):
    mean: Float[Array, "*b"]
    within: Float[Array, "*b"]
    between: Float[Array, "*b"]
    epistemic: Float[Array, "*b"]


@eqx.filter_jit
def _split(pred: Predictive) -> _Split:
    location, noise, function = pred.transform.moments(
        pred.location, pred.noise_variance, pred.function_variance
    )
    draw = jnp.exp(logsumexp(pred.log_weight, axis=1, keepdims=True))
    inside = jax.nn.softmax(pred.log_weight, axis=1)
    average = partial(jnp.sum, axis=1, keepdims=True)
    mean_s = average(inside * location)
    if pred.shared_function:
        root = safe_sqrt(function)
        common = average(inside * root)
        of_mean, apart = common**2, inside * (root - common) ** 2
    else:
        of_mean = average(inside**2 * function)
        apart = inside * (1 - inside) * function
    between_s = average(inside * (location - mean_s) ** 2 + apart)
    mean = (draw * mean_s).sum(0, keepdims=True)
    epistemic_s = (mean_s - mean) ** 2 + of_mean
    return _Split(
        mean=mean[0, 0],
        within=(draw * average(inside * noise)).sum((0, 1)),
        between=(draw * between_s).sum((0, 1)),
        epistemic=(draw * epistemic_s).sum((0, 1)),
    )


def _flat(pred: Predictive, ndim: int = 0) -> Mixture:
    """On the model's scale, draws and components on one axis.

    Batch axes of length one are put in front to reach `ndim`.
    """
    axes = (-1, *(1,) * (ndim - len(pred.shape)), *pred.shape)
    # A target known for certain is a step, not 0/0: its variance is the least there is.
    least = jnp.finfo(pred.location.dtype).tiny
    total = jnp.maximum(pred.noise_variance + pred.function_variance, least)
    return Mixture(*(a.reshape(axes) for a in (pred.location, total, pred.log_weight)))


def _aligned(pred, y):
    """`y` on the model's scale, broadcast with the batch, and the mixture to match."""
    y = jnp.broadcast_to(y, jnp.broadcast_shapes(y.shape, pred.shape))
    return y, pred.transform.inverse(y), _flat(pred, y.ndim)


@eqx.filter_jit
def _log_prob(pred, y):
    y, z, mixture = _aligned(pred, y)
    return log_density(z, mixture) + pred.transform.log_slope(y)


@eqx.filter_jit
def _cdf(pred, y):
    _, z, mixture = _aligned(pred, y)
    return cdf_and_density(z, mixture)[0]


@eqx.filter_jit
def _quantile(pred, p):
    z = jax.vmap(partial(quantile, _flat(pred)))(p.ravel())
    return pred.transform.forward(z.reshape(p.shape + z.shape[1:]))


@eqx.filter_jit
def _crps(pred, y):
    y, z, mixture = _aligned(pred, y)
    score = energy_score(z, mixture, pred.transform.mean_distance)
    # Beyond the target's domain the distance to its end comes on top.
    beyond = jnp.where(jnp.isinf(z), jnp.abs(pred.transform.forward(z) - y), 0.0)
    return beyond + score


@eqx.filter_jit
def _sample(pred, key, num):
    mixture = _flat(pred)
    key_component, key_noise = jax.random.split(key)
    shape = (num, *pred.shape)
    component = jax.random.categorical(
        key_component, mixture.log_weight, axis=0, shape=shape
    )
    pick = partial(jnp.take_along_axis, indices=component, axis=0)
    noise = jax.random.normal(key_noise, shape, mixture.location.dtype)
    spread = safe_sqrt(pick(mixture.variance))
    return pred.transform.forward(pick(mixture.location) + spread * noise)
