"""`Predictive`: Gaussian mixture with aleatoric and epistemic variance.

The mixture has two axes. **Draws** (s) are posterior draws or quadrature nodes of the
unknown parameters. More data would make them agree, so the variance between their means
is *epistemic*. **Components** (k) are latent protocols or batches. The next cell may
belong to any of them, so the variance between their means is *aleatoric*. Inside
component k of draw s,

    f ~ N(location, function_variance)     epistemic: uncertainty of the function
    z | f ~ N(f, noise_variance)           aleatoric: variation of cells, measurement noise
    y = transform.forward(z)

With the weight W_s of draw s and the weights w_sk of the components in it, and with
functions of different components independent a posteriori (each latent protocol has its
own curve), the law of total variance gives

    m_s       = Σ_k w_sk loc_sk
    within_s  = Σ_k w_sk noise_sk
    between_s = Σ_k w_sk (loc_sk - m_s)² + Σ_k w_sk (1 - w_sk) fvar_sk
    mean      = Σ_s W_s m_s
    aleatoric = Σ_s W_s (within_s + between_s)
    epistemic = Σ_s W_s (m_s - mean)² + Σ_s W_s Σ_k w_sk² fvar_sk

and aleatoric + epistemic is exactly the variance of the mixture. If all components are
one function plus different constants (batches), their errors are perfectly correlated and
Σ_k w_sk² fvar_sk becomes (Σ_k w_sk √fvar_sk)². Under a transform, loc, noise and fvar are
replaced by E E[y|f], E Var(y|f) and Var E[y|f]; the formulas then hold for y (see
`battprob.transforms`).
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
        location: mean of each component, with shape [draws, components, *batch], on the
            scale of the model.
        noise_variance: aleatoric variance inside each component, same scale squared.
        function_variance: epistemic variance of the mean of each component.
        log_weight: log weights, joint over draws and components; normalised here.
        transform: map from the scale of the model to that of the target; default
            `transforms.Identity()`.
        shared_function: whether the components are one function plus constants.

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
                "fields of Predictive must have the axes [draws, components, *batch]; got "
                f"shape {shape}. For a single Gaussian use Predictive.gaussian(...)"
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
        """Gaussian N(mean, aleatoric + epistemic): one draw and one component.

        Args:
            mean, aleatoric, epistemic: of any shapes that broadcast, on the scale of the
                model.
            transform: map from the scale of the model to that of the target.
        """
        moments = [
            jnp.asarray(a, jnp.result_type(float)) for a in (mean, aleatoric, epistemic)
        ]
        location, noise, function = _with_mixture_axes(*moments)
        return cls(location, noise, function, np.zeros((1,) * location.ndim), transform)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch of targets, `*b`."""
        return self.location.shape[2:]

    @property
    def mean(self) -> Float[Array, "*b"]:
        """Expected value of the target."""
        return _moments(self).mean

    @property
    def aleatoric(self) -> Float[Array, "*b"]:
        """Variance that more data of this kind would not reduce: within + between."""
        moments = _moments(self)
        return moments.within + moments.between

    @property
    def epistemic(self) -> Float[Array, "*b"]:
        """Variance that more data would reduce."""
        return _moments(self).epistemic

    @property
    def within(self) -> Float[Array, "*b"]:
        """Aleatoric variance inside the components: cells and measurement noise."""
        return _moments(self).within

    @property
    def between(self) -> Float[Array, "*b"]:
        """Aleatoric variance between components: unknown protocol or batch of a new cell."""
        return _moments(self).between

    @property
    def variance(self) -> Float[Array, "*b"]:
        """Total variance, aleatoric + epistemic."""
        moments = _moments(self)
        return moments.within + moments.between + moments.epistemic

    @property
    def std(self) -> Float[Array, "*b"]:
        """Standard deviation, the square root of `variance`."""
        return safe_sqrt(self.variance)

    def log_prob(self, y: ArrayLike) -> Float[Array, "..."]:
        """Log density at `y`, which broadcasts with the batch; per unit of y."""
        return _log_prob(self, jnp.asarray(y, self.location.dtype))

    def cdf(self, y: ArrayLike) -> Float[Array, "..."]:
        """P(target <= y); `y` broadcasts with the batch."""
        return _cdf(self, jnp.asarray(y, self.location.dtype))

    def quantile(self, p: ArrayLike) -> Float[Array, "..."]:
        """Quantiles of the target, with the shape of `p` followed by the batch shape.

        Computed by Newton's method on the log distribution function with bisection as
        safeguard; differentiable once, with respect to p and every field. NaN where p is
        not between 0 and 1.
        """
        return _quantile(self, jnp.asarray(p, self.location.dtype))

    def interval(
        self, level: float = 0.9
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
        """Central interval (low, high) that contains the target with probability `level`."""
        low, high = self.quantile(jnp.array([0.5 * (1 - level), 0.5 * (1 + level)]))
        return low, high

    def crps(self, y: ArrayLike) -> Float[Array, "..."]:
        r"""Continuous ranked probability score in units of y; smaller is better.

        $E|Y - y| - \frac12 E|Y - Y'|$, in closed form for Gaussian and lognormal
        mixtures, by quadrature for other transforms (Grimit et al. 2006, Q. J. R. Meteorol. Soc. 132, 2925, eq. 5,
        doi:10.1256/qj.05.235).
        """
        return _crps(self, jnp.asarray(y, self.location.dtype))

    def sample(self, *, key: PRNGKey, num: int) -> Float[Array, "num *b"]:
        """Draw `num` samples of every target, independent over the batch (not joint)."""
        return _sample(self, key, num)

    def take(self, indices: ArrayLike | slice) -> "Predictive":
        """Select targets along the first batch axis by indices, a slice or a mask."""
        if isinstance(indices, slice):
            fields = jax.tree.map(lambda leaf: leaf[:, :, indices], _fields(self))
            return eqx.tree_at(_fields, self, fields)
        rows = indices if isinstance(indices, jax.Array) else np.asarray(indices)
        # The number of true entries of a mask is unknown to a compiled program.
        return _taken(self, np.flatnonzero(rows) if rows.dtype == bool else rows)

    def reweight(self, weights: ArrayLike) -> "Predictive":
        """Replace the component weights in every draw by the same new weights.

        Use it if the mix of protocols at deployment is known. The posterior weights of
        the draws do not change.

        Args:
            weights: one weight per component, [k] or [k *b]; normalised here.

        Raises:
            ValueError: the number of weights is not that of the components.
            RuntimeError: a weight is negative, or all are zero.
        """
        weight = jnp.asarray(weights, self.location.dtype)
        num_components = self.location.shape[1]
        if weight.shape[:1] != (num_components,):
            raise ValueError(
                f"weights must have one entry for each of the {num_components} components; "
                f"got shape {weight.shape}"
            )
        invalid = jnp.any(weight < 0) | ~jnp.all(weight.sum(0) > 0)
        rule = "weights must not be negative, nor sum to zero"
        weight = eqx.error_if(weight / weight.sum(0, keepdims=True), invalid, rule)
        missing = self.location.ndim - 1 - weight.ndim
        inside = jnp.log(weight).reshape((1, *weight.shape, *(1,) * missing))
        draw = logsumexp(self.log_weight, axis=1, keepdims=True)
        log_weight = jnp.broadcast_to(draw + inside, self.location.shape)
        return eqx.tree_at(lambda pred: pred.log_weight, self, log_weight)


@jax.jit
def _with_mixture_axes(*moments):
    return [a[None, None] for a in jnp.broadcast_arrays(*moments)]


@jax.jit
def _normalised(*fields):
    """Broadcast the fields and normalise the weights, in one compiled program."""
    *moments, weight = jnp.broadcast_arrays(*fields)
    return *moments, weight - logsumexp(weight, axis=(0, 1), keepdims=True)


@eqx.filter_jit
def _taken(pred, rows):
    fields = jax.tree.map(lambda leaf: leaf[:, :, rows], _fields(pred))
    return eqx.tree_at(_fields, pred, fields)


def _fields(pred):
    return pred.location, pred.noise_variance, pred.function_variance, pred.log_weight


class _Moments(NamedTuple):
    mean: Float[Array, "*b"]
    within: Float[Array, "*b"]
    between: Float[Array, "*b"]
    epistemic: Float[Array, "*b"]


@eqx.filter_jit
def _moments(pred: Predictive) -> _Moments:
    """Mean and decomposed variance; formulas in the docstring of this module."""
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
        in_mean, between = common**2, inside * (root - common) ** 2
    else:
        in_mean = average(inside**2 * function)
        between = inside * (1 - inside) * function
    between_s = average(inside * (location - mean_s) ** 2 + between)
    mean = (draw * mean_s).sum(0, keepdims=True)
    epistemic_s = (mean_s - mean) ** 2 + in_mean
    return _Moments(
        mean=mean[0, 0],
        within=(draw * average(inside * noise)).sum((0, 1)),
        between=(draw * between_s).sum((0, 1)),
        epistemic=(draw * epistemic_s).sum((0, 1)),
    )


def _flat(pred: Predictive, ndim: int = 0) -> Mixture:
    """Mixture on the scale of the model, with draws and components on one axis.

    Batch axes of length one are inserted in front to reach `ndim`.
    """
    axes = (-1, *(1,) * (ndim - len(pred.shape)), *pred.shape)
    # Without variance the distribution function is a step; the smallest positive number
    # gives that step without 0 / 0.
    smallest = jnp.finfo(pred.location.dtype).tiny
    total = jnp.maximum(pred.noise_variance + pred.function_variance, smallest)
    return Mixture(*(a.reshape(axes) for a in (pred.location, total, pred.log_weight)))


def _aligned(pred, y):
    """`y` broadcast with the batch, the same on the scale of the model, and the mixture."""
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
    # Outside the domain of the target (y < 0 for lives) z is infinite: the score is that
    # at the end of the domain plus the distance to it.
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
    std = safe_sqrt(pick(mixture.variance))
    return pred.transform.forward(pick(mixture.location) + std * noise)
