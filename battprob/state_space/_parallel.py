"""Filter and smoother in log n steps, for devices on which many cores share the work.

Stretches of readings are joined to stretches twice as long, all at once, in a loop whose
body is compiled once (Hillis and Steele's scan: n log n work; a scan that halves its arrays
is a program of log n different bodies, which takes minutes to compile).

Forward, the element of a stretch of readings is the law of the state at its end given
the state before it, and what the readings say of the latter (Särkkä and García-Fernández
2021, eqs. 10-14, with the lemma of section III). Backward, de Jong's recursion is linear
and needs no inverse: elements are maps s → M s + c, N → M N Mᵀ + D.

References:
    Särkkä and García-Fernández, Temporal parallelization of Bayesian smoothers, IEEE
    Trans. Automat. Contr. 66, 299 (2021), doi:10.1109/TAC.2020.2976316.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Float
from battprob.state_space._nested import Symmetric, symmetric
from battprob.state_space._sequential import (
    Filtered,
    Readings,
    reconsider,
    take_in,
)

_product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


class _Stretch(NamedTuple):
    """x_end | x_before ~ N(A x_before + b, C); its readings: exp(ηᵀx - xᵀJx/2) of x_before."""

    a: Float[Array, "n d d"]
    b: Float[Array, "n d"]
    c: Float[Array, "n d d"]
    eta: Float[Array, "n d"]
    j: Float[Array, "n d d"]


def forward(
    stationary: Float[Array, "d d"],
    transition: Float[Array, "n d d"],
    growth: Float[Array, "n d d"],
    readings: Readings,
) -> tuple[Filtered, Float[Array, " n"]]:
    """As in `_sequential`, to rounding."""
    # Before the first location there is nothing to come from.
    transition = transition.at[0].set(0.0)
    growth = growth.at[0].set(stationary)
    stretches = _scan(_join, _stretches(transition, growth, readings))
    before = _moved((stretches.b, stretches.c), 1)
    mean = _apply(transition, before[0])
    covariance = _sandwich(transition, before[1]) + growth
    return take_in(_vectors(mean), _nest(covariance), *readings)


def backward(
    transition: Float[Array, "n d d"], filtered: Filtered
) -> tuple[list[Float[Array, " n"]], Symmetric]:
    """As in `_sequential`, to rounding."""
    d = transition.shape[-1]
    first = jnp.eye(d, dtype=transition.dtype)[0]
    gain = jnp.stack(filtered.gain, axis=-1)
    through = jnp.eye(d, dtype=gain.dtype)[None] - gain[:, :, None] * first[None, None]
    back = _transpose(transition)
    elements = (
        _product(_transpose(through), back),
        filtered.weighted_surprise[:, None] * first[None],
        filtered.precision[:, None, None] * jnp.outer(first, first)[None],
    )
    elements = tuple(jnp.flip(leaf, 0) for leaf in elements)
    _, *said = _scan(_follow, elements)
    pull, bite = (jnp.flip(leaf, 0) for leaf in _moved(said, 1))
    pull, bite = _apply(back, pull), _sandwich(back, bite)
    return reconsider(filtered, _vectors(pull), _nest(bite))


def accumulate(
    transition: Float[Array, "n d d"], shock: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """As in `_sequential`, to rounding."""

    def follow(one, two):
        return _product(two[0], one[0]), _apply(two[0], one[1]) + two[1]

    return _scan(follow, (transition, shock))[1]


def _scan(join, elements):
    """Every element joined to all before it."""
    num = len(jax.tree.leaves(elements)[0])
    place = jnp.arange(num)

    def double(elements, reach):
        joined = join(_moved(elements, reach), elements)
        alone = place < reach
        elements = jax.tree.map(
            lambda one, two: jnp.where(
                jnp.expand_dims(alone, (*range(1, one.ndim),)), one, two
            ),
            elements,
            joined,
        )
        return elements, None

    reach = 2 ** jnp.arange((num - 1).bit_length())
    return jax.lax.scan(double, elements, reach)[0]


def _moved(elements, reach):
    """Every element in the place `reach` further on; zeros come in."""

    def moved(leaf):
        both = jnp.concatenate([jnp.zeros_like(leaf), leaf])
        return jax.lax.dynamic_slice_in_dim(both, len(leaf) - reach, len(leaf))

    return jax.tree.map(moved, elements)


def _stretches(transition, growth, readings):
    y, noise_variance, seen = readings
    first = transition[:, 0]
    total = growth[:, 0, 0] + noise_variance
    precision = jnp.where(seen, 1 / total, 0.0)
    gain = precision[:, None] * growth[:, :, 0]
    return _Stretch(
        a=transition - gain[:, :, None] * first[:, None],
        b=gain * y[:, None],
        c=growth - gain[:, :, None] * growth[:, 0][:, None],
        eta=(precision * y)[:, None] * first,
        j=precision[:, None, None] * first[:, :, None] * first[:, None],
    )


def _join(one, two):
    """The element of two neighbouring stretches."""
    d = one.b.shape[-1]
    eye = jnp.eye(d, dtype=one.b.dtype)[None]
    inverse = jnp.linalg.inv(eye + _product(one.c, two.j))
    onward = _product(two.a, inverse)
    inward = _transpose(_product(inverse, one.a))
    c = _product(_product(onward, one.c), _transpose(two.a)) + two.c
    j = _product(_product(inward, two.j), one.a) + one.j
    return _Stretch(
        a=_product(onward, one.a),
        b=_apply(onward, one.b + _apply(one.c, two.eta)) + two.b,
        c=0.5 * (c + _transpose(c)),
        eta=_apply(inward, two.eta - _apply(two.j, one.b)) + one.eta,
        j=0.5 * (j + _transpose(j)),
    )


def _follow(later, earlier):
    """The map of what is said after both stretches to what is said before them."""
    m, c, d = earlier
    m_later, c_later, d_later = later
    return _product(m, m_later), c + _apply(m, c_later), d + _sandwich(m, d_later)


def _apply(matrix, vector):
    return _product(matrix, vector[..., None])[..., 0]


def _sandwich(outer, inner):
    return _product(_product(outer, inner), _transpose(outer))


def _transpose(matrix):
    return jnp.swapaxes(matrix, -1, -2)


def _vectors(array):
    return [array[:, i] for i in range(array.shape[-1])]


def _nest(array):
    return symmetric(lambda i, j: array[:, i, j], array.shape[-1])
