"""Kalman filter and smoother in log n parallel steps, for devices with many cores.

Neighbouring segments of observations are combined to segments of twice the length, all at
once, in a loop whose body is compiled once (the scan of Hillis and Steele: n log n work).
A scan with halving arrays, such as `jax.lax.associative_scan`, does less work but has
log n different bodies, which take minutes to compile.

Forward, the element of a segment is the distribution of the state at its end given the
state before it, and the likelihood of the latter from the observations of the segment
(Särkkä and García-Fernández 2021, eqs. 10-14, with the lemma of section III). Backward,
the recursion of de Jong is linear and needs no inverse: elements are maps r → M r + c,
N → M N Mᵀ + D.

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
    Observations,
    smooth_state,
    update,
)

# GPUs multiply float32 matrices in lower precision by default, which a filter amplifies.
_product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


class _Segment(NamedTuple):
    """x_end | x_before ~ N(A x_before + b, C), likelihood exp(ηᵀx - xᵀJx/2) of x_before."""

    a: Float[Array, "n d d"]
    b: Float[Array, "n d"]
    c: Float[Array, "n d d"]
    eta: Float[Array, "n d"]
    j: Float[Array, "n d d"]


def forward(
    stationary: Float[Array, "d d"],
    transition: Float[Array, "n d d"],
    process_noise: Float[Array, "n d d"],
    observations: Observations,
) -> tuple[Filtered, Float[Array, " n"]]:
    """Kalman filter; the result of `_sequential.forward`, except for rounding."""
    # There is no state before the first location.
    transition = transition.at[0].set(0.0)
    process_noise = process_noise.at[0].set(stationary)
    segments = _scan(_join, _segments(transition, process_noise, observations))
    before = _shift((segments.b, segments.c), 1)
    mean = _apply(transition, before[0])
    covariance = _sandwich(transition, before[1]) + process_noise
    return update(_vectors(mean), _nest(covariance), *observations)


def backward(
    transition: Float[Array, "n d d"], filtered: Filtered
) -> tuple[list[Float[Array, " n"]], Symmetric]:
    """Kalman smoother; the result of `_sequential.backward`, except for rounding."""
    d = transition.shape[-1]
    first = jnp.eye(d, dtype=transition.dtype)[0]
    gain = jnp.stack(filtered.gain, axis=-1)
    updated = jnp.eye(d, dtype=gain.dtype)[None] - gain[:, :, None] * first[None, None]
    transposed = _transpose(transition)
    elements = (
        _product(_transpose(updated), transposed),
        filtered.weighted_innovation[:, None] * first[None],
        filtered.precision[:, None, None] * jnp.outer(first, first)[None],
    )
    elements = tuple(jnp.flip(leaf, 0) for leaf in elements)
    _, *later = _scan(_compose, elements)
    r, n = (jnp.flip(leaf, 0) for leaf in _shift(later, 1))
    r, n = _apply(transposed, r), _sandwich(transposed, n)
    return smooth_state(filtered, _vectors(r), _nest(n))


def propagate(
    transition: Float[Array, "n d d"], disturbance: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """States from zero; the result of `_sequential.propagate`, except for rounding."""

    def compose(one, two):
        return _product(two[0], one[0]), _apply(two[0], one[1]) + two[1]

    return _scan(compose, (transition, disturbance))[1]


def _scan(join, elements):
    """Inclusive scan: every element joined to all elements before it."""
    num = len(jax.tree.leaves(elements)[0])
    index = jnp.arange(num)

    def double(elements, offset):
        joined = join(_shift(elements, offset), elements)
        complete = index < offset
        elements = jax.tree.map(
            lambda one, two: jnp.where(
                jnp.expand_dims(complete, (*range(1, one.ndim),)), one, two
            ),
            elements,
            joined,
        )
        return elements, None

    offsets = 2 ** jnp.arange((num - 1).bit_length())
    return jax.lax.scan(double, elements, offsets)[0]


def _shift(elements, offset):
    """Every element moved by `offset` to larger indices; zeros come in."""

    def shifted(leaf):
        both = jnp.concatenate([jnp.zeros_like(leaf), leaf])
        return jax.lax.dynamic_slice_in_dim(both, len(leaf) - offset, len(leaf))

    return jax.tree.map(shifted, elements)


def _segments(transition, process_noise, observations):
    """Elements of one step and one observation each."""
    y, noise_variance, observed = observations
    first = transition[:, 0]
    total = process_noise[:, 0, 0] + noise_variance
    precision = jnp.where(observed, 1 / total, 0.0)
    gain = precision[:, None] * process_noise[:, :, 0]
    return _Segment(
        a=transition - gain[:, :, None] * first[:, None],
        b=gain * y[:, None],
        c=process_noise - gain[:, :, None] * process_noise[:, 0][:, None],
        eta=(precision * y)[:, None] * first,
        j=precision[:, None, None] * first[:, :, None] * first[:, None],
    )


def _join(one, two):
    """The element of two neighbouring segments."""
    d = one.b.shape[-1]
    eye = jnp.eye(d, dtype=one.b.dtype)[None]
    inverse = jnp.linalg.inv(eye + _product(one.c, two.j))
    left = _product(two.a, inverse)
    right = _transpose(_product(inverse, one.a))
    c = _product(_product(left, one.c), _transpose(two.a)) + two.c
    j = _product(_product(right, two.j), one.a) + one.j
    # Symmetrised: over log n products rounding would make the two triangles differ.
    return _Segment(
        a=_product(left, one.a),
        b=_apply(left, one.b + _apply(one.c, two.eta)) + two.b,
        c=0.5 * (c + _transpose(c)),
        eta=_apply(right, two.eta - _apply(two.j, one.b)) + one.eta,
        j=0.5 * (j + _transpose(j)),
    )


def _compose(later, earlier):
    """The map of (r, N) from the end of the later segment to the start of the earlier."""
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
