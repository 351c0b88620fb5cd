"""Errors of measured features, carried through functions and through predictions.

Two routes to the same variance, which check each other: first order, by `jax.jvp` along
each feature, and Monte Carlo. Errors of different features are taken as independent.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._modules import replace
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._padding import on_device
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.features.table import FeatureTable
from battprob.predictive import Predictive

RowFunction = Callable[[Array], Array]


class Moments(NamedTuple):
    """Value of a function of noisy arguments, and its variance."""

    value: Float[Array, "*b k"]
    variance: Float[Array, "*b k"]


@eqx.filter_jit
def first_order(
    function: RowFunction, x: Float[Array, "*b d"], variance: Float[Array, "*b d"]
) -> Moments:
    r"""Value and first-order variance of a function of each row.

    $$\operatorname{Var} f_i \approx \sum_j (\partial f_i / \partial x_j)^2 \sigma_j^2$$

    Args:
        function: [d] -> [k], made of JAX operations.
        x: rows of measured values.
        variance: variance of each; NaN where it is not known, which makes the variance
            of all that depends on it NaN.

    Example:
        >>> value, variance = first_order(jnp.log, jnp.array([2.0]), jnp.array([0.04]))
        >>> f"{variance[0]:.2f}"
        '0.01'
    """

    def one(x, variance):
        def along(direction):
            return jax.jvp(function, (x,), (direction,))[1]

        slopes = jax.vmap(along)(jnp.eye(x.size, dtype=x.dtype))
        terms = slopes**2 * variance[:, None]
        # What does not depend on x_j does not care that its variance is unknown.
        return Moments(function(x), jnp.where(slopes == 0, 0.0, terms).sum(0))

    return Moments(*jnp.vectorize(one, signature="(d),(d)->(k),(k)")(x, variance))


@eqx.filter_jit
def monte_carlo(
    function: RowFunction,
    x: Float[Array, "*b d"],
    variance: Float[Array, "*b d"],
    *,
    key: PRNGKey,
    num: int = 1000,
) -> Moments:
    """Mean and variance of a function of Gaussian rows, from `num` draws.

    Args:
        function: [d] -> [k], made of JAX operations.
        x: means of the rows.
        variance: variance of each value.
        key: PRNG key.
        num: how many draws; the variance comes out within about √(2/num) of itself.

    Example:
        >>> x, variance = jnp.array([2.0]), jnp.array([0.04])
        >>> moments = monte_carlo(jnp.log, x, variance, key=jax.random.key(0))
        >>> bool(abs(moments.variance[0] - 0.01) < 0.002)
        True
    """
    noise = jax.random.normal(key, (num, *x.shape), x.dtype)
    rows = jnp.vectorize(function, signature="(d)->(k)")
    values = rows(x[None] + safe_sqrt(variance)[None] * noise)
    return Moments(values.mean(0), values.var(0, ddof=1))


def derive(
    table: FeatureTable,
    function: RowFunction,
    *,
    names: Sequence[str],
    units: Sequence[str],
) -> FeatureTable:
    """New columns computed from each row of a table, their variances to first order.

    Args:
        table: the columns the function is of, in their order (`table.select` them).
        function: [d] -> [k], made of JAX operations.
        names, units: of the k new columns.

    Example:
        >>> table = FeatureTable(
        ...     [[2.0, 4.0]], names=["a", "b"], units=["V", "A"], rows=["cell"]
        ... )
        >>> ratio = derive(table, lambda x: x[:1] / x[1:], names=["r"], units=["ohm"])
        >>> float(ratio.x[0, 0])
        0.5
    """
    moments = first_order(function, table.x, table.variance)
    return FeatureTable(
        moments.value,
        names=names,
        units=units,
        rows=table.rows,
        variance=moments.variance,
        groups=table.groups,
    )


def predict_first_order(
    predict: Callable[[Array], Predictive], x: ArrayLike, variance: ArrayLike
) -> Predictive:
    r"""Predictions for rows whose features carry an error, to first order in it.

    What the error of the features does to the prediction is noise: it is added to the
    aleatoric part, $\sigma^2 + \sum_j (\partial\mu/\partial x_j)^2 \sigma_j^2$, on the
    model's scale and for each posterior draw.

    Args:
        predict: features -> `Predictive`, such as `posterior.predict`.
        x: features as measured, [m d].
        variance: variance of each, 0 where the feature is exact; or, where errors go
            together, the covariances [m d d].

    Example:
        >>> from battprob.predictive import Predictive
        >>> predict = lambda x: Predictive.gaussian(3.0 * x[:, 0], 1.0)
        >>> float(predict_first_order(predict, [[2.0]], [[0.5]]).aleatoric[0])
        5.5
    """
    x = jnp.asarray(x, jnp.result_type(float))
    spread = _passed_on(predict, x, variance)
    pred = predict(x)
    return eqx.tree_at(lambda p: p.noise_variance, pred, pred.noise_variance + spread)


def fit_first_order(
    model: Any, dataset: Dataset, variance: ArrayLike, *, key: PRNGKey
) -> Any:
    r"""A posterior from rows whose features carry an error, to first order in it.

    What the error does to the target, $\sum_{jk} C_{jk}\,(\partial\mu/\partial x_j)
    (\partial\mu/\partial x_k)$, is known noise of the row: the model is fitted without it,
    and once more with that of its slopes. New rows: `predict_first_order`.

    Args:
        model: whose noise head holds `noise.Known()`, as in `Constant() + Known()`.
        dataset: rows to learn from.
        variance: as in `predict_first_order`, of the dataset's features.
        key: PRNG key, for both fits.

    Raises:
        DataError: a variance is not known, or the model has no use for it.

    References:
        McHutchon and Rasmussen, Gaussian process training with input noise, NIPS 24 (2011).
    """
    if not np.all(np.asarray(variance) > -np.inf):
        raise DataError("a feature's variance is not known: leave that feature out")
    known = dataset.noise_variance
    known = jnp.zeros_like(dataset.y) if known is None else known
    first = model.fit(replace(dataset, noise_variance=known), key=key)
    predict = first.predict
    if first.uses_groups:
        predict = partial(predict, groups=dataset.group_labels)
    spread = _passed_on(predict, dataset.x, variance)
    log_weight = predict(dataset.x).log_weight
    weight = jnp.exp(log_weight - logsumexp(log_weight, axis=(0, 1), keepdims=True))
    added = on_device(np.asarray(known + jnp.sum(weight * spread, axis=(0, 1))))
    return model.fit(replace(dataset, noise_variance=added), key=key)


def predict_monte_carlo(
    predict: Callable[[Array], Predictive],
    x: ArrayLike,
    variance: ArrayLike,
    *,
    key: PRNGKey,
    num: int = 64,
) -> Predictive:
    """Predictions for rows whose features carry an error, averaged over `num` redraws.

    Around the measured features the true ones are drawn; each posterior draw's mean,
    noise and function variance are averaged over them, and the spread of its means is
    added to the noise. The answer is thus a Gaussian of the right variance where the
    spread itself is not Gaussian.

    Args:
        predict: features -> `Predictive`, such as `posterior.predict`.
        x: features as measured.
        variance: variance of each; 0 where the feature is exact.
        key: PRNG key.
        num: how many redraws; they are predicted as one batch.

    Example:
        >>> predict = lambda x: Predictive.gaussian(3.0 * x[:, 0], 1.0)
        >>> key = jax.random.key(0)
        >>> pred = predict_monte_carlo(predict, [[2.0]], [[0.5]], key=key, num=4000)
        >>> bool(abs(pred.aleatoric[0] - 5.5) < 0.3)
        True
    """
    x, variance = _rows_and_variance(x, variance)
    noise = jax.random.normal(key, (num, *x.shape), x.dtype)
    drawn = x[None] + safe_sqrt(variance)[None] * noise
    pred = predict(drawn.reshape(-1, x.shape[1]))

    def by_draw(field):
        return field.reshape(*field.shape[:2], num, len(x))

    location = by_draw(pred.location)
    return Predictive(
        location.mean(2),
        by_draw(pred.noise_variance).mean(2) + location.var(2, ddof=1),
        by_draw(pred.function_variance).mean(2),
        logsumexp(by_draw(pred.log_weight), axis=2),
        pred.transform,
    )


def _passed_on(predict, x, variance):
    """Variance of every component's mean by the errors of features: [s k m]."""
    slopes, variance = _location_slopes(predict, x), jnp.asarray(variance, x.dtype)
    if variance.ndim == 3:
        return jnp.einsum("dskm,eskm,mde->skm", slopes, slopes, variance)
    variance = jnp.broadcast_to(variance, x.shape)
    return jnp.einsum("dskm,md->skm", slopes**2, variance)


def _location_slopes(predict, x):
    """Derivative of every component's mean along each feature: [d, s, k, m]."""

    def along(direction):
        tangent = jnp.broadcast_to(direction[None], x.shape)
        return jax.jvp(lambda x: predict(x).location, (x,), (tangent,))[1]

    return jax.vmap(along)(jnp.eye(x.shape[1], dtype=x.dtype))


def _rows_and_variance(x, variance):
    dtype = jnp.result_type(float)
    x = jnp.asarray(x, dtype)
    return x, jnp.broadcast_to(jnp.asarray(variance, dtype), x.shape)
