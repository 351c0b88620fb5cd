r"""A prior for distributions of relaxation times, on their logarithm.

$f(x) = \log\gamma(e^x)$ is a straight line bent at knots,

    f(x) = a + ½ (l - r)(x - x_c) + Σ_i κ_i H(x - x_i),        H'' = a narrow Gaussian,

rising with slope l far to the left and falling with slope r far to the right: power laws, as
of every dispersion known (Jonscher). Given l and r the bends κ are independent,
κ_i ~ N(0, s_i²), but for their sum, which the two slopes settle. In the closed forms
(Cole-Cole, Havriliak-Negami) f is curved where γ is large and straight where it is small,
and so

    s_i = s_0 (γ_i / γ_max + ε)^p √(spacing)

with γ_i of the fitted distribution, as the law of a variance takes the fitted spectrum. s_0
is averaged over by evidence at p = 1; p = 0, equally rough everywhere, is the usual prior, with
which the search begins. The knots are close enough for a depression of 0.9: with peaks as
wide as theirs bands are too narrow for anything sharper, a pure RC pair above all.

References:
    Jonscher, Nature 267 (1977) 673, doi:10.1038/267673a0 (power laws).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from battprob._typing import Array, Complex, Float

_SPACING = 0.4  # of the knots, in e-folds of τ
_STEP = 0.2  # of the quadrature; its error falls as exp(-2π width / step)
_BEYOND = 3.0  # e-folds past the ends of the band
_WIDTH = 0.22  # of a bend: narrower than the knots are apart, wide enough to join
_SLOPE, _SLOPE_SPREAD = 0.7, 0.4
_HEIGHT_SPREAD = 10.0
_LEAST = 0.02
_OHM_SPREAD = 3.0
_LOWEST, _HIGHEST = -25.0, 8.0  # of f about its typical size: no overflow on the way

BENDS = tuple((1.0, s) for s in (1.0, 2.0, 4.0, 8.0))


class Grid(NamedTuple):
    """Knots, the nodes of the quadrature, and the kernel there for some frequencies."""

    knot: Float[Array, " m"]
    centre: Float[Array, ""]
    at_node: Float[Array, "g m"]
    node_offset: Float[Array, " g"]
    at_knot: Float[Array, "m m"]
    kernel: Float[Array, "g r"]


class Seen(NamedTuple):
    """A spectrum, and what makes it, along axes on which its errors are independent.

    These are Re and Im times `turn`; the kernel of γ, and R∞ and inductance of unit normal
    coordinates.
    """

    target: Float[Array, " r"]
    kernel: Float[Array, "g r"]
    ends: Float[Array, "2 r"]
    turn: Complex[Array, " f"]
    impedance_size: Float[Array, ""]


class Basis(NamedTuple):
    """f = constant + slopes @ z for z of unit normal prior: bends, l, r and height."""

    slopes: Float[Array, "x p"]
    constant: Float[Array, " x"]


def grid(frequency_hz: Float[np.ndarray, " f"]) -> Grid:
    """Everything that only the frequencies decide."""
    omega = 2 * np.pi * frequency_hz
    low, high = -np.log(omega.max()) - _BEYOND, -np.log(omega.min()) + _BEYOND
    node = np.arange(low, high + _STEP, _STEP)
    knot = np.arange(low + 0.5 * _SPACING, high, _SPACING)
    kernel = _STEP / (1 + 1j * omega[None] * np.exp(node)[:, None])
    real = jnp.result_type(float)
    knot, node, kernel = (
        jnp.asarray(a, real)
        for a in (knot, node, np.concatenate([kernel.real, kernel.imag], axis=1))
    )
    centre = jnp.asarray(0.5 * (low + high), real)
    return Grid(
        knot, centre, hinges(node, knot), node - centre, hinges(knot, knot), kernel
    )


def hinges(x: Float[Array, " x"], knot: Float[Array, " m"]) -> Float[Array, "x m"]:
    """H(x - x_i): |x - x_i| / 2 with its corner rounded."""
    distance = (x[:, None] - knot[None]) / _WIDTH
    density = jnp.exp(-0.5 * distance**2) / np.sqrt(2 * np.pi)
    return _WIDTH * (0.5 * distance * erf(distance / np.sqrt(2)) + density)


def basis(
    hinge: Float[Array, "x m"], offset: Float[Array, " x"], scale: Float[Array, " m"]
) -> Basis:
    """f of unit normal coordinates, the bends' scales s given.

    Args:
        hinge: H at some places.
        offset: of these places from the centre.
        scale: s of every bend.
    """
    mean_bend = hinge @ (scale**2 / jnp.sum(scale**2))
    bends = (hinge - mean_bend[:, None]) * scale[None]
    ends = [(side * 0.5 * offset - mean_bend) * _SLOPE_SPREAD for side in (1, -1)]
    height = jnp.full_like(offset, _HEIGHT_SPREAD)
    slopes = jnp.concatenate([bends, jnp.stack([*ends, height], axis=1)], axis=1)
    return Basis(slopes, -2 * _SLOPE * mean_bend)


def lines(z: Float[Array, "*b p"], scale: Float[Array, "*b m"]) -> Float[Array, "*b k"]:
    """Bends κ, half the difference of the end slopes and height, of coordinates z."""
    left, right, height = (z[..., scale.shape[-1] + i] for i in range(3))
    share = scale**2 / jnp.sum(scale**2, axis=-1, keepdims=True)
    bend = scale * z[..., : scale.shape[-1]]
    turn = 2 * _SLOPE + _SLOPE_SPREAD * (left + right)
    bend = bend - share * (bend.sum(-1) + turn)[..., None]
    tail = jnp.stack(
        [0.5 * _SLOPE_SPREAD * (left - right), _HEIGHT_SPREAD * height], axis=-1
    )
    return jnp.concatenate([bend, tail], axis=-1)


def bend_scale(
    log_gamma: Float[Array, " m"], bend: Float[Array, " 2"]
) -> Float[Array, " m"]:
    """s of every knot, for log γ fitted there and (p, s_0)."""
    share = jnp.exp(jnp.minimum(log_gamma - log_gamma.max(), 0.0)) + _LEAST
    return bend[1] * share ** bend[0] * np.sqrt(_SPACING)


def gamma(f: Float[Array, "*b g"], log_size: Float[Array, ""]) -> Float[Array, "*b g"]:
    """γ of f counted from a typical logarithm."""
    return jnp.exp(jnp.clip(f, _LOWEST, _HIGHEST) + log_size)


def seen(
    grid: Grid,
    frequency_hz: Float[Array, " f"],
    impedance: Complex[Array, " f"],
    turn: Complex[Array, " f"],
) -> Seen:
    """A spectrum along the axes that `turn`, of size one, makes Re and Im."""
    omega, size = 2 * jnp.pi * frequency_hz, jnp.abs(impedance).max()
    nought, one = jnp.zeros_like(omega), jnp.ones_like(omega)
    rows = [[one, nought], [nought, omega / omega.max()]]
    ends = _OHM_SPREAD * size * jnp.stack([jnp.concatenate(row) for row in rows])
    target = jnp.concatenate([impedance.real, impedance.imag])
    target, kernel, ends = (_turned(a, turn) for a in (target, grid.kernel, ends))
    return Seen(target, kernel, ends, turn, size)


def _turned(rows, turn):
    """(Re, Im) in the last axis, times a phase."""
    real, imaginary = jnp.split(rows, 2, axis=-1)
    z = jax.lax.complex(real, imaginary) * jnp.broadcast_to(turn, real.shape)
    return jnp.concatenate([z.real, z.imag], axis=-1)


def to_ohm_and_henry(
    z: Float[Array, "*b p"],
    impedance_size: Float[Array, ""],
    frequency_hz: Float[Array, " f"],
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """R∞ and inductance of the last two coordinates."""
    size = _OHM_SPREAD * impedance_size
    return size * z[..., -2], size * z[..., -1] / (2 * jnp.pi * frequency_hz.max())
