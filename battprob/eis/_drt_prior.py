r"""Prior of a distribution of relaxation times (DRT), on its logarithm.

$f(x) = \log\gamma(e^x)$ is piecewise linear with rounded corners at knots x_i,

    f(x) = a + ½ (l - r)(x - x_c) + Σ_i κ_i H(x - x_i),        H'' = a narrow Gaussian,

with slope l on the far left and slope -r on the far right: power laws, as in every
known dispersion (Jonscher). κ_i is the change of slope at knot i. Given l and r the κ
are independent, κ_i ~ N(0, s_i²), except that their sum must be -(l + r). In the closed
forms (Cole-Cole, Havriliak-Negami) f is curved where γ is large and straight where it
is small. Therefore

    s_i = s_0 (γ_i / γ_max + ε)^p √(spacing)

with γ_i of the fitted distribution, just as a noise model is computed from the fitted
spectrum. s_0 is averaged over by evidence with p = 1. The search starts with p = 0, the
usual prior of equal roughness everywhere. The knots are close enough for a depression
of 0.9. For sharper peaks, such as that of a pure RC element, the intervals are too
narrow, because the peaks are then narrower than the distance of the knots.

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
_STEP = 0.2  # of the quadrature; its error decreases as exp(-2π width / step)
_MARGIN = 3.0  # e-folds beyond the ends of the band
_WIDTH = 0.22  # of a corner: less than the spacing, but neighbouring corners overlap
_SLOPE_MEAN, _SLOPE_SD = 0.7, 0.4
_HEIGHT_SD = 10.0
_LEAST_RELATIVE_GAMMA = 0.02  # ε
_OHM_SD = 3.0  # of R∞ and of ωL at the highest frequency, in units of max |Z|
_LOWEST, _HIGHEST = -25.0, 8.0  # of f minus its typical value: no overflow in a search

ROUGHNESS = tuple((1.0, s) for s in (1.0, 2.0, 4.0, 8.0))  # pairs (p, s_0)


class TauGrid(NamedTuple):
    """Knots, quadrature nodes over ln τ, and the kernel at some frequencies.

    Attributes:
        knot: positions x_i of the knots.
        centre: x_c.
        at_node: H(x - x_i) at the quadrature nodes.
        node_offset: x - x_c of the quadrature nodes.
        at_knot: H(x - x_i) at the knots.
        kernel: weight × 1 / (1 + jωτ) at nodes and frequencies, Re before Im.
    """

    knot: Float[Array, " m"]
    centre: Float[Array, ""]
    at_node: Float[Array, "g m"]
    node_offset: Float[Array, " g"]
    at_knot: Float[Array, "m m"]
    kernel: Float[Array, "g r"]


class RotatedSpectrum(NamedTuple):
    """A spectrum and its model along axes on which the errors are independent.

    Attributes:
        target: measured (Re, Im) times `rotation`.
        kernel: kernel of γ times `rotation`.
        series_terms: contributions of R∞ and of the inductance for standard normal
            coordinates.
        rotation: complex factor of modulus one at each frequency.
        impedance_size: max |Z| in ohm.
    """

    target: Float[Array, " r"]
    kernel: Float[Array, "g r"]
    series_terms: Float[Array, "2 r"]
    rotation: Complex[Array, " f"]
    impedance_size: Float[Array, ""]


class AffineMap(NamedTuple):
    """f = matrix @ z + constant; z is standard normal: slope changes, l, r, height."""

    matrix: Float[Array, "x p"]
    constant: Float[Array, " x"]


def tau_grid(frequency_hz: Float[np.ndarray, " f"]) -> TauGrid:
    """Knots, nodes and kernel for these frequencies in Hz."""
    omega = 2 * np.pi * frequency_hz
    low, high = -np.log(omega.max()) - _MARGIN, -np.log(omega.min()) + _MARGIN
    node = np.arange(low, high + _STEP, _STEP)
    knot = np.arange(low + 0.5 * _SPACING, high, _SPACING)
    kernel = _STEP / (1 + 1j * omega[None] * np.exp(node)[:, None])
    real = jnp.result_type(float)
    knot, node, kernel = (
        jnp.asarray(a, real)
        for a in (knot, node, np.concatenate([kernel.real, kernel.imag], axis=1))
    )
    centre = jnp.asarray(0.5 * (low + high), real)
    return TauGrid(
        knot,
        centre,
        corner_functions(node, knot),
        node - centre,
        corner_functions(knot, knot),
        kernel,
    )


def corner_functions(
    x: Float[Array, " x"], knot: Float[Array, " m"]
) -> Float[Array, "x m"]:
    """H(x - x_i): |x - x_i| / 2 with a rounded corner."""
    distance = (x[:, None] - knot[None]) / _WIDTH
    density = jnp.exp(-0.5 * distance**2) / np.sqrt(2 * np.pi)
    return _WIDTH * (0.5 * distance * erf(distance / np.sqrt(2)) + density)


def log_gamma_map(
    corners: Float[Array, "x m"], offset: Float[Array, " x"], scale: Float[Array, " m"]
) -> AffineMap:
    """The map from standard normal coordinates to f.

    Args:
        corners: H(x - x_i) at some positions x.
        offset: x - x_c of these positions.
        scale: standard deviations s_i of the slope changes.
    """
    # Conditioning independent κ on their sum subtracts s_i² / Σs² of its excess.
    mean_corner = corners @ (scale**2 / jnp.sum(scale**2))
    changes = (corners - mean_corner[:, None]) * scale[None]
    ends = [(side * 0.5 * offset - mean_corner) * _SLOPE_SD for side in (1, -1)]
    height = jnp.full_like(offset, _HEIGHT_SD)
    matrix = jnp.concatenate([changes, jnp.stack([*ends, height], axis=1)], axis=1)
    return AffineMap(matrix, -2 * _SLOPE_MEAN * mean_corner)


def line_coefficients(
    z: Float[Array, "*b p"], scale: Float[Array, "*b m"]
) -> Float[Array, "*b k"]:
    """Slope changes κ, ½ (l - r) and height a of standard normal coordinates z."""
    left, right, height = (z[..., scale.shape[-1] + i] for i in range(3))
    fraction = scale**2 / jnp.sum(scale**2, axis=-1, keepdims=True)
    changes = scale * z[..., : scale.shape[-1]]
    total = 2 * _SLOPE_MEAN + _SLOPE_SD * (left + right)
    changes = changes - fraction * (changes.sum(-1) + total)[..., None]
    tail = jnp.stack([0.5 * _SLOPE_SD * (left - right), _HEIGHT_SD * height], axis=-1)
    return jnp.concatenate([changes, tail], axis=-1)


def slope_change_scale(
    log_gamma: Float[Array, " m"], roughness: Float[Array, " 2"]
) -> Float[Array, " m"]:
    """s_i of every knot, from log γ fitted there and (p, s_0)."""
    relative = jnp.exp(jnp.minimum(log_gamma - log_gamma.max(), 0.0))
    relative = relative + _LEAST_RELATIVE_GAMMA
    return roughness[1] * relative ** roughness[0] * np.sqrt(_SPACING)


def gamma(
    f: Float[Array, "*b g"], log_gamma_scale: Float[Array, ""]
) -> Float[Array, "*b g"]:
    """γ in ohm of f, where f is log γ minus its typical value."""
    return jnp.exp(jnp.clip(f, _LOWEST, _HIGHEST) + log_gamma_scale)


def rotated_spectrum(
    grid: TauGrid,
    frequency_hz: Float[Array, " f"],
    impedance: Complex[Array, " f"],
    rotation: Complex[Array, " f"],
) -> RotatedSpectrum:
    """A spectrum along the axes that `rotation`, of modulus one, makes Re and Im."""
    omega, size = 2 * jnp.pi * frequency_hz, jnp.abs(impedance).max()
    zero, one = jnp.zeros_like(omega), jnp.ones_like(omega)
    rows = [[one, zero], [zero, omega / omega.max()]]
    terms = _OHM_SD * size * jnp.stack([jnp.concatenate(row) for row in rows])
    target = jnp.concatenate([impedance.real, impedance.imag])
    target, kernel, terms = (
        _rotated(a, rotation) for a in (target, grid.kernel, terms)
    )
    return RotatedSpectrum(target, kernel, terms, rotation, size)


def _rotated(parts, rotation):
    """(Re, Im) in the last axis, times a phase factor."""
    real, imaginary = jnp.split(parts, 2, axis=-1)
    z = jax.lax.complex(real, imaginary) * jnp.broadcast_to(rotation, real.shape)
    return jnp.concatenate([z.real, z.imag], axis=-1)


def to_ohm_and_henry(
    z: Float[Array, "*b p"],
    impedance_size: Float[Array, ""],
    frequency_hz: Float[Array, " f"],
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """R∞ in ohm and inductance in H of the last two coordinates."""
    size = _OHM_SD * impedance_size
    return size * z[..., -2], size * z[..., -1] / (2 * jnp.pi * frequency_hz.max())
