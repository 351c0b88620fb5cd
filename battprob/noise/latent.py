"""Noise whose log variance is a Gaussian process, and the parts of a noise model by role."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._numerics.linear_algebra import cholesky, safe_sqrt
from battprob._padding import bucket
from battprob._parameters import (
    FIXED,
    PARAMETER,
    WEIGHT,
    as_array,
    fixed_field,
    select,
    weight_field,
)
from battprob._typing import Array, Float
from battprob.kernels import RBF
from battprob.kernels.base import AbstractKernel
from battprob.noise.base import AbstractNoise
from battprob.noise.heads import PRIOR_MEAN, PRIOR_STD


class LatentGP(AbstractNoise):
    r"""$\log\sigma(x) = a + g(x)$, $g \sim GP(0, k)$: a smooth noise variance, no formula.

    Args:
        kernel: covariance of g; default `RBF`. The prior of its scale keeps changes of σ
            within a factor of e (one standard deviation) unless the data show larger ones.
        features: names or column indices of the features that the noise depends on;
            default all. With tens of rows, choose one or two.

    The function is a basis times weights that are N(0, I) a priori and are integrated out
    by the model. One column is for a, with $\log\sigma^2 \sim N(-2, 2^2)$ as in
    `Constant`. Up to 32 columns are the whitened values of g at inducing points: training
    rows far from each other. One column has the variance of g that these do not explain,
    so that far from the data σ² is as uncertain as a priori.

    References:
        Goldberg, Williams and Bishop, NIPS 10 (1997) 493.
    """

    kernel: AbstractKernel
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)
    weights: Float[Array, "..."] = weight_field()
    inducing_points: Float[Array, "..."] = fixed_field()

    def __init__(
        self,
        kernel: AbstractKernel | None = None,
        *,
        features: Sequence[str | int] | None = None,
    ):
        default = RBF()
        self.kernel = default if kernel is None else kernel
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.weights = as_array(0.0)
        self.inducing_points = as_array(0.0)

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        kernel = self.kernel.bind([feature_names[column] for column in columns])
        bound = replace(self, columns=columns, kernel=kernel)
        return bound.choose_inducing_points(np.zeros((1, len(feature_names))))

    def choose_inducing_points(self, x: Float[np.ndarray, "n d"]) -> "LatentGP":
        """The same noise model with inducing points among the rows of `x`, and weights of zero."""
        z = x if self.columns is None else x[:, list(self.columns)]
        chosen = z[_farthest_points(z, min(_MAX_INDUCING, bucket(len(z))))]
        dtype = self.weights.dtype
        weights = jnp.asarray(np.zeros(len(chosen) + 2), dtype)
        return replace(
            self, inducing_points=jnp.asarray(chosen, dtype), weights=weights
        )

    def log_prior(self):
        return self.kernel.log_prior()

    def variance(self, x, known):
        return jnp.exp(PRIOR_MEAN + self._basis(x) @ self.weights)

    def uses_known(self):
        return False

    def _basis(self, x):
        """Columns of log σ²: the constant, the inducing points, the variance left over."""
        z = select_columns(x, self.columns)
        points = self.inducing_points
        root = cholesky(self.kernel.gram(points, points))
        cross = self.kernel.gram(points, z)
        whitened = jax.scipy.linalg.solve_triangular(root, cross, lower=True)
        rest = safe_sqrt(self.kernel.diagonal(z) - jnp.sum(whitened**2, axis=0))
        # All columns are those of log σ; the factor 2 below makes them those of log σ².
        constant = jnp.full((1, len(z)), 0.5 * PRIOR_STD, z.dtype)
        return 2 * jnp.concatenate([constant, whitened, rest[None]]).T


def choose_inducing_points(
    noise: AbstractNoise, x: Float[np.ndarray, "n d"]
) -> AbstractNoise:
    """The same noise model, its latent functions with inducing points among training rows."""
    return jax.tree.map(
        lambda node: (
            node.choose_inducing_points(x) if isinstance(node, LatentGP) else node
        ),
        noise,
        is_leaf=lambda node: isinstance(node, LatentGP),
    )


def split(noise: AbstractNoise) -> tuple[AbstractNoise, AbstractNoise, AbstractNoise]:
    """Parameters of a noise model, weights to integrate out, and fixed numbers; None elsewhere.

    `equinox.combine` joins them again.
    """
    return (select(noise, PARAMETER), select(noise, WEIGHT), select(noise, FIXED))


def has_weights(noise: AbstractNoise) -> bool:
    """Whether the noise model has weights to integrate out."""
    return bool(jax.tree.leaves(select(noise, WEIGHT)))


def _farthest_points(x: Float[np.ndarray, "n d"], num: int) -> list[int]:
    """Indices of `num` rows, each the farthest from those before; the first is central."""
    chosen = [int(np.argmin(np.sum((x - x.mean(0)) ** 2, axis=1)))]
    squared = np.full(len(x), np.inf)
    while len(chosen) < num:
        squared = np.minimum(squared, np.sum((x - x[chosen[-1]]) ** 2, axis=1))
        chosen.append(int(np.argmax(squared)))
    return chosen


# Twice as many changed no score by a thousandth, in five dimensions either.
_MAX_INDUCING = 32
