"""Noise whose level is itself a Gaussian process, and how models take it apart."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._columns import pick, resolve_columns
from battprob._modules import replace
from battprob._numerics.linear_algebra import cholesky, safe_sqrt
from battprob._padding import bucket
from battprob._typing import Array, Float
from battprob.kernels import RBF
from battprob.kernels.base import AbstractKernel
from battprob.noise.base import AbstractNoise
from battprob.noise.heads import CENTRE, SPREAD


class LatentGP(AbstractNoise):
    r"""$\log\sigma(x) = a + g(x)$, $g \sim GP(0, k)$: noise that varies as the data say.

    Args:
        kernel: covariance of g; default `RBF`. Its prior on the scale holds back the
            noise from varying by more than e (one standard deviation) unless it must.
        features: names or positions of the features that the noise depends on; default
            all. With tens of cells, name one or two.

    The function is a basis times weights that are N(0, I) a priori, and integrated out by
    the model: one column for a, with $\log\sigma^2 \sim N(-2, 2^2)$ as in `Constant`; the
    whitened values of g at up to 32 training rows far from each other; and one with what
    variance these leave of g, so that far from the data σ² is as uncertain as the prior.

    References:
        Goldberg, Williams and Bishop, NIPS 10 (1997) 493.
    """

    kernel: AbstractKernel
    weights: Float[Array, "..."]
    anchors: Float[Array, "..."]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        kernel: AbstractKernel | None = None,
        *,
        features: Sequence[str | int] | None = None,
    ):
        default = RBF()  # pyright: ignore[reportCallIssue]
        self.kernel = default if kernel is None else kernel
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.weights = jnp.asarray(0.0, jnp.result_type(float))
        self.anchors = jnp.asarray(0.0, jnp.result_type(float))

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        kernel = self.kernel.bind([feature_names[column] for column in columns])
        return replace(self, columns=columns, kernel=kernel).anchored(
            np.zeros((1, len(feature_names)))
        )

    def anchored(self, x: Float[np.ndarray, "n d"]) -> "LatentGP":
        """The same head with anchors among the rows of `x`, and weights at their mean."""
        seen = x if self.columns is None else x[:, list(self.columns)]
        anchors = seen[_far_apart(seen, min(_MOST_ANCHORS, bucket(len(seen))))]
        dtype = self.weights.dtype
        weights = jnp.asarray(np.zeros(len(anchors) + 2), dtype)
        return replace(self, anchors=jnp.asarray(anchors, dtype), weights=weights)

    def log_prior(self):
        return self.kernel.log_prior()

    def variance(self, x, known):
        del known
        return jnp.exp(CENTRE + self._basis(x) @ self.weights)

    def uses_known(self):
        return False

    def _basis(self, x):
        """Columns of log σ²: of its level, of the anchors, of what these leave."""
        z = pick(x, self.columns)
        root = cholesky(self.kernel.gram(self.anchors, self.anchors))
        cross = self.kernel.gram(self.anchors, z)
        whitened = jax.scipy.linalg.solve_triangular(root, cross, lower=True)
        left = safe_sqrt(self.kernel.diagonal(z) - jnp.sum(whitened**2, axis=0))
        level = jnp.full((1, len(z)), 0.5 * SPREAD, z.dtype)
        return 2 * jnp.concatenate([level, whitened, left[None]]).T


def anchored(noise: AbstractNoise, x: Float[np.ndarray, "n d"]) -> AbstractNoise:
    """The same head, the latent functions in it anchored among training rows."""
    return jax.tree.map(
        lambda node: node.anchored(x) if isinstance(node, LatentGP) else node,
        noise,
        is_leaf=lambda node: isinstance(node, LatentGP),
    )


def split(noise: AbstractNoise) -> tuple[AbstractNoise, AbstractNoise, AbstractNoise]:
    """A head's parameters, weights to integrate out, and constants; None elsewhere.

    `equinox.combine` puts them together again.
    """

    def label(node):
        if not isinstance(node, LatentGP):
            return "parameter"
        labels = jax.tree.map(lambda _: "parameter", node)
        where = (lambda head: (head.weights, head.anchors), ("weight", "constant"))
        return eqx.tree_at(where[0], labels, where[1])

    labels = jax.tree.map(label, noise, is_leaf=lambda node: isinstance(node, LatentGP))
    return tuple(
        eqx.filter(noise, jax.tree.map(lambda own: own == kind, labels))  # noqa: B023
        for kind in ("parameter", "weight", "constant")
    )


def has_weights(noise: AbstractNoise) -> bool:
    """Whether the head has weights to integrate out."""
    return bool(jax.tree.leaves(split(noise)[1]))


def _far_apart(x: Float[np.ndarray, "n d"], num: int) -> list[int]:
    """ReferencePoints of `num` rows, each the farthest from those before; the first is central."""
    chosen = [int(np.argmin(np.sum((x - x.mean(0)) ** 2, axis=1)))]
    squared = np.full(len(x), np.inf)
    while len(chosen) < num:
        squared = np.minimum(squared, np.sum((x - x[chosen[-1]]) ** 2, axis=1))
        chosen.append(int(np.argmax(squared)))
    return chosen


_MOST_ANCHORS = (
    32  # twice as many changed no score by a thousandth, in five dimensions either
)
