r"""Replicates (rows with the same features) pooled into one row, without approximation.

Given f, the mean ȳ of replicates, weighted by the precisions 1/σ²_i, is a sufficient
statistic for f. Its variance is v = 1 / Σ 1/σ²_i:

    Π_i N(y_i; f, σ²_i) = N(ȳ; f, v) Π_i N(y_i; ȳ, σ²_i) / N(ȳ; ȳ, v)

The cost of the process is therefore the cube of the number of distinct rows. The last
factor is the information of the replicates about the noise. The variances of replicates
may differ.

References:
    Binois, Gramacy and Ludkovski, J. Comput. Graph. Stat. 27 (2018) 808,
    doi:10.1080/10618600.2018.1458625 (there with equal variances of replicates).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import default_jitter
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, Bool, Float, Int
from battprob.models._scaling import Rows


class DistinctRows(NamedTuple):
    """Features of the distinct rows, padded; `indices` has the distinct row of each row."""

    x: Float[Array, "u d"]
    mask: Bool[Array, " u"]
    indices: Int[Array, " n"]

    def sum_replicates(self, values: Float[Array, "n *b"]) -> Float[Array, "u *b"]:
        """Sum of `values` over the replicates of each distinct row."""
        return jax.ops.segment_sum(values, self.indices, len(self.mask))


class Pooled(NamedTuple):
    """Target and noise variance of each distinct row, and the log of the last factor."""

    y: Float[Array, " u"]
    variance: Float[Array, " u"]
    log_factor: Float[Array, ""]


def find_distinct(rows: Rows) -> DistinctRows:
    """The distinct rows in order of first appearance; `rows` are not traced."""
    mask = np.asarray(rows.mask)
    _, first, inverse = np.unique(
        np.asarray(rows.x)[mask], axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    index = np.zeros(len(mask), np.int32)
    index[mask] = np.argsort(order)[inverse.ravel()]
    # Rows with more padding than their bucket were padded by the caller for rows that
    # come later: keep that length, so that these need no new compilation.
    padded = len(mask) > bucket(int(mask.sum()))
    length = len(mask) if padded else bucket(len(first))
    is_real = np.arange(length) < len(first)
    x = np.asarray(rows.x)[mask][np.sort(first)]
    return DistinctRows(
        pad_rows(x, len(is_real)), jnp.asarray(is_real), jnp.asarray(index)
    )


def pool(rows: Rows, variance: Float[Array, " n"], distinct: DistinctRows) -> Pooled:
    """Pool replicates, given the noise variance of each row."""
    # The Cholesky factorisation adds jitter of this size, so that a smaller variance has
    # no effect there; zero would divide by zero here.
    variance = jnp.maximum(variance, default_jitter(variance.dtype))
    variance = jnp.where(rows.mask, variance, 1.0)
    precision = jnp.where(rows.mask, 1 / variance, 0.0)
    pooled = 1 / jnp.where(distinct.mask, distinct.sum_replicates(precision), 1.0)
    y = pooled * distinct.sum_replicates(precision * rows.y)
    deviance = jnp.log(variance) + precision * (rows.y - y[distinct.indices]) ** 2
    deviance = jnp.sum(jnp.where(rows.mask, deviance, 0.0))
    # A padded distinct row has the density N(0; 0, 1). It counts in the evidence of the
    # pooled targets, and its constant is removed here.
    surplus = (len(distinct.mask) - jnp.sum(rows.mask)).astype(y.dtype)
    constant = math.log(2 * math.pi) * surplus
    return Pooled(y, pooled, 0.5 * (jnp.sum(jnp.log(pooled)) - deviance + constant))
