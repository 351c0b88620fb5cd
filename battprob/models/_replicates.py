r"""Rows with the same features, pooled exactly into one.

Given f, replicates of a site with variances σ²_i say no more than their mean weighted by
precision (a sufficient statistic), with variance v = 1 / Σ 1/σ²_i:

    Π_i N(y_i; f, σ²_i) = N(ȳ; f, v) Π_i N(y_i; ȳ, σ²_i) / N(ȳ; ȳ, v)

so that the process costs the cube of the sites, not of the rows. The last factor holds
what replicates say of the noise. Measured variances may differ inside a site.

References:
    Binois, Gramacy and Ludkovski, J. Comput. Graph. Stat. 27 (2018) 808,
    doi:10.1080/10618600.2018.1458625 (there with equal variances inside a site).
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


class Sites(NamedTuple):
    """ReferencePoints with different features, padded, and which of them each row is from."""

    x: Float[Array, "u d"]
    mask: Bool[Array, " u"]
    of_row: Int[Array, " n"]

    def total(self, values: Float[Array, "n *b"]) -> Float[Array, "u *b"]:
        """Sum of the values of all rows of each site."""
        return jax.ops.segment_sum(values, self.of_row, len(self.mask))


class Pooled(NamedTuple):
    """The targets of every site as one, and what they say of the noise alone."""

    y: Float[Array, " u"]
    variance: Float[Array, " u"]
    log_rest: Float[Array, ""]


def find_sites(rows: Rows) -> Sites:
    """The sites of concrete rows, in order of their first appearance."""
    mask = np.asarray(rows.mask)
    _, first, inverse = np.unique(
        np.asarray(rows.x)[mask], axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    of_row = np.zeros(len(mask), np.int32)
    of_row[mask] = np.argsort(order)[inverse.ravel()]
    # Rows padded beyond their bucket are to grow into it with the program they have.
    padded = len(mask) > bucket(int(mask.sum()))
    length = len(mask) if padded else bucket(len(first))
    occupied = np.arange(length) < len(first)
    x = np.asarray(rows.x)[mask][np.sort(first)]
    return Sites(pad_rows(x, len(occupied)), jnp.asarray(occupied), jnp.asarray(of_row))


def pool(rows: Rows, variance: Float[Array, " n"], sites: Sites) -> Pooled:
    """Replicates pooled under the noise variance of each row; masked ones have no say."""
    # Noise below the jitter of the factorisation is none; it must not divide by zero.
    variance = jnp.maximum(variance, default_jitter(variance.dtype))
    variance = jnp.where(rows.mask, variance, 1.0)
    precision = jnp.where(rows.mask, 1 / variance, 0.0)
    pooled = 1 / jnp.where(sites.mask, sites.total(precision), 1.0)
    y = pooled * sites.total(precision * rows.y)
    surprise = jnp.log(variance) + precision * (rows.y - y[sites.of_row]) ** 2
    surprise = jnp.sum(jnp.where(rows.mask, surprise, 0.0))
    # A site without rows is N(0; 0, 1) in the density of the sites: not here.
    surplus = (len(sites.mask) - jnp.sum(rows.mask)).astype(y.dtype)
    constant = math.log(2 * math.pi) * surplus
    return Pooled(y, pooled, 0.5 * (jnp.sum(jnp.log(pooled)) - surprise + constant))
