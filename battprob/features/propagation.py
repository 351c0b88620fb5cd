"""Propagate the measurement errors of features through functions and predictions.

The variance is computed either to first order, by `jax.jvp` along each feature, or by
Monte Carlo. Errors of different features are assumed independent unless covariances are
given.
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
    """Value and variance of a function of noisy arguments."""

    value: Float[Array, "*b k"]
    variance: Float[Array, "*b k"]


@eqx.filter_jit
def first_order(
    function: RowFunction, x: Float[Array, "*b d"], variance: Float[Array, "*b d"]
) -> Moments:
    r"""Value and first-order variance of a function, for each row of arguments.

    $$\operatorname{Var} f_i \approx \sum_j (\partial f_i / \partial x_j)^2 \sigma_j^2$$

    Args:
        function: [d] -> [k], composed of JAX operations.
        x: measured values, one row per evaluation.
        variance: variance of each value; NaN if unknown, which makes the variance of
            all results that depend on this value NaN.

    Example:
        >>> value, variance = first_order(jnp.log, jnp.array([2.0]), jnp.array([0.04]))
        >>> f"{variance[0]:.2f}"
        '0.01'
    """

    def moments(x, variance):
        def derivative(direction):
            return jax.jvp(function, (x,), (direction,))[1]

        slopes = jax.vmap(derivative)(jnp.eye(x.size, dtype=x.dtype))
        terms = slopes**2 * variance[:, None]
        # 0 * NaN is NaN: an unknown variance must not affect independent results.
        return Moments(function(x), jnp.where(slopes == 0, 0.0, terms).sum(0))

    return Moments(*jnp.vectorize(moments, signature="(d),(d)->(k),(k)")(x, variance))


@eqx.filter_jit
def monte_carlo(
    function: RowFunction,
    x: Float[Array, "*b d"],
    variance: Float[Array, "*b d"],
    *,
    key: PRNGKey,
    num: int = 1000,
) -> Moments:
    """Mean and variance of a function of Gaussian arguments, from `num` draws.

    Args:
        function: [d] -> [k], composed of JAX operations.
        x: means of the arguments, one row per evaluation.
        variance: variance of each argument.
        key: PRNG key.
        num: number of draws; the relative error of the variance is about √(2/num).

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
    """Compute new columns from each row of a table, with first-order variances.

    Args:
        table: table whose columns are the arguments of the function, in this order (see
            `FeatureTable.select`).
        function: [d] -> [k], composed of JAX operations.
        names, units: names and units of the k new columns.

    Returns:
        A table of the k new columns only; use `FeatureTable.join` to add them.

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
    r"""Predict for features with measurement errors, to first order in the errors.

    The variance of the prediction due to the errors is added to the aleatoric variance,
    $\sigma^2 + \sum_j (\partial\mu/\partial x_j)^2 \sigma_j^2$, on the scale of the
    model and for each posterior draw.

    Args:
        predict: function from features to `Predictive`, such as `posterior.predict`.
        x: measured features, [m, d].
        variance: variance of each feature, [m, d] or a shape that broadcasts to it, 0
            for exact features; for correlated errors the covariance matrices [m, d, d].

    Example:
        >>> from battprob.predictive import Predictive
        >>> predict = lambda x: Predictive.gaussian(3.0 * x[:, 0], 1.0)
        >>> float(predict_first_order(predict, [[2.0]], [[0.5]]).aleatoric[0])
        5.5
    """
    x = jnp.asarray(x, jnp.result_type(float))
    added = _propagated_variance(predict, x, variance)
    pred = predict(x)
    return eqx.tree_at(lambda p: p.noise_variance, pred, pred.noise_variance + added)


def fit_first_order(
    model: Any, dataset: Dataset, variance: ArrayLike, *, key: PRNGKey
) -> Any:
    r"""Fit a model to features with measurement errors, to first order in the errors.

    The errors contribute the noise variance $\sum_{jk} C_{jk}\,(\partial\mu/\partial
    x_j) (\partial\mu/\partial x_k)$ to the target of a row. The model is fitted first
    without this contribution and then with it, using the slopes of the first fit. For
    new features with errors use `predict_first_order`.

    Args:
        model: a model whose noise model includes `noise.Known()`, as in
            `Constant() + Known()`.
        dataset: training data.
        variance: variances or covariances of the features of the dataset, as in
            `predict_first_order`.
        key: PRNG key, used for both fits.

    Returns:
        The posterior of the second fit.

    Raises:
        DataError: a variance is NaN, or the noise model does not use known variances.

    References:
        McHutchon and Rasmussen, Gaussian process training with input noise, NIPS 24
        (2011).
    """
    if not np.all(np.asarray(variance) > -np.inf):
        raise DataError(
            "the variance of a feature is NaN (unknown): leave this feature out, or "
            "give its variance (0 if it is exact)"
        )
    noise_variance = dataset.noise_variance
    if noise_variance is None:
        noise_variance = jnp.zeros_like(dataset.y)
    first = model.fit(replace(dataset, noise_variance=noise_variance), key=key)
    predict = first.predict
    if first.uses_groups:
        predict = partial(predict, groups=dataset.group_labels)
    # Averaged over draws and components, because a row has one known noise variance.
    added = _propagated_variance(predict, dataset.x, variance)
    log_weight = predict(dataset.x).log_weight
    weight = jnp.exp(log_weight - logsumexp(log_weight, axis=(0, 1), keepdims=True))
    total = noise_variance + jnp.sum(weight * added, axis=(0, 1))
    total = on_device(np.asarray(total))
    return model.fit(replace(dataset, noise_variance=total), key=key)


def predict_monte_carlo(
    predict: Callable[[Array], Predictive],
    x: ArrayLike,
    variance: ArrayLike,
    *,
    key: PRNGKey,
    num: int = 64,
) -> Predictive:
    """Predict for features with measurement errors, by Monte Carlo.

    `num` values of the features are drawn around the measured ones. For each posterior
    draw, the mean, noise variance and function variance are averaged over these values,
    and the variance of the means is added to the noise variance. Each component of the
    result is Gaussian, also if the distribution of the means is not.

    Args:
        predict: function from features to `Predictive`, such as `posterior.predict`.
        x: measured features, [m, d].
        variance: variance of each feature; 0 for exact features.
        key: PRNG key.
        num: number of drawn values; they are predicted as one batch.

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

    def split_draws(field):
        return field.reshape(*field.shape[:2], num, len(x))

    location = split_draws(pred.location)
    return Predictive(
        location.mean(2),
        split_draws(pred.noise_variance).mean(2) + location.var(2, ddof=1),
        split_draws(pred.function_variance).mean(2),
        logsumexp(split_draws(pred.log_weight), axis=2),
        pred.transform,
    )


def _propagated_variance(predict, x, variance):
    """Variance of the mean of each component due to errors of features, [s, k, m]."""
    slopes, variance = _location_slopes(predict, x), jnp.asarray(variance, x.dtype)
    if variance.ndim == 3:
        return jnp.einsum("dskm,eskm,mde->skm", slopes, slopes, variance)
    variance = jnp.broadcast_to(variance, x.shape)
    return jnp.einsum("dskm,md->skm", slopes**2, variance)


def _location_slopes(predict, x):
    """Derivative of the mean of each component along each feature, [d, s, k, m]."""

    def derivative(direction):
        tangent = jnp.broadcast_to(direction[None], x.shape)
        return jax.jvp(lambda x: predict(x).location, (x,), (tangent,))[1]

    # Rows are independent, so one tangent gives the derivatives of all rows.
    return jax.vmap(derivative)(jnp.eye(x.shape[1], dtype=x.dtype))


def _rows_and_variance(x, variance):
    dtype = jnp.result_type(float)
    x = jnp.asarray(x, dtype)
    return x, jnp.broadcast_to(jnp.asarray(variance, dtype), x.shape)
