"""Savitzky–Golay smoothing: shifted slices inside, one small matrix at either edge."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from numpy.polynomial import legendre

from battprob._errors import DataError
from battprob._typing import Array, Float, Numeric


def savgol(
    x: Float[Numeric, "*b n"],
    *,
    window: int = 25,
    order: int = 3,
    derivative: int = 0,
    spacing: float = 1.0,
) -> Float[Array, "*b n"]:
    r"""Least-squares polynomial through the readings around each, along the last axis.

    $$\hat x^{(m)}_i = h^{-m} \sum_{j} c_j\, x_{i+j},\qquad |j| \le (w - 1) / 2$$

    with c from the polynomial of degree `order` through w readings. The first and last
    (w - 1)/2 values come from the polynomial through the first and last w readings.

    Args:
        x: readings at an even spacing; rows are smoothed independently. A NaN spreads to
            all values whose window holds it.
        window: number of readings w, odd: an even one would estimate between readings.
        order: degree of the polynomial, below `window`.
        derivative: m, 0 for the smoothed value.
        spacing: distance h between readings.

    Returns:
        Smoothed values or derivatives, in units of x over units of `spacing`ᵐ.

    Raises:
        DataError: the window is even, longer than the rows, or not above `order`, or the
            spacing is not positive.

    Example:
        >>> import numpy as np
        >>> line = 2.0 * np.arange(40.0)
        >>> f"{savgol(line, window=7, order=2, derivative=1, spacing=0.5)[0]:.3f}"
        '4.000'

    References:
        Savitzky and Golay, Analytical Chemistry 36, 1627 (1964),
        doi:10.1021/ac60214a047; edges as mode "interp" of `scipy.signal.savgol_filter`.
    """
    x = jnp.asarray(x, jnp.result_type(float))
    _require_window(window, order, derivative, x.shape[-1] if x.ndim else 0)
    if not isinstance(spacing, Tracer) and not spacing > 0:
        raise DataError(f"the spacing of readings must be positive; got {spacing}")
    return _savgol(x, jnp.asarray(spacing, x.dtype), window, order, derivative)


def savgol_rows(window: int, order: int, derivative: int) -> Float[np.ndarray, "w w"]:
    """Matrix that turns `window` readings at spacing 1 into derivatives at each of them.

    Its middle row holds the weights of the interior.
    """
    half = window // 2
    # Legendre polynomials on [-1, 1]: powers of the position lose half the digits.
    position = np.linspace(-1, 1, window)
    to_coefficients = np.linalg.pinv(legendre.legvander(position, order))
    differentiated = legendre.legder(
        np.eye(order + 1), derivative, scl=1 / max(half, 1)
    )
    degree = len(differentiated) - 1
    return legendre.legvander(position, degree) @ differentiated @ to_coefficients


@eqx.filter_jit
def _savgol(x, spacing, window, order, derivative):
    half = window // 2
    rows = savgol_rows(window, order, derivative).astype(x.dtype)
    weights = rows[half]
    inner = x.shape[-1] - 2 * half
    smooth = weights[half] * x[..., half : half + inner]
    for j in range(1, half + 1):
        # Weights of even derivatives are symmetric, of odd ones antisymmetric.
        ahead, behind = x[..., half + j :][..., :inner], x[..., half - j :][..., :inner]
        pair = ahead - behind if derivative % 2 else ahead + behind
        smooth = smooth + weights[half + j] * pair
    smooth = smooth / spacing**derivative
    if half == 0:
        return smooth
    edge = partial(jnp.einsum, "...j,ij->...i", precision=jax.lax.Precision.HIGHEST)
    first = edge(x[..., :window], rows[:half]) / spacing**derivative
    last = edge(x[..., -window:], rows[half + 1 :]) / spacing**derivative
    padded = jnp.pad(smooth, [(0, 0)] * (x.ndim - 1) + [(half, half)])
    return padded.at[..., :half].set(first).at[..., -half:].set(last)


def _require_window(window, order, derivative, length):
    whole = all(isinstance(n, int | np.integer) for n in (window, order, derivative))
    sensible = window % 2 == 1 and 0 <= order < window <= length and derivative >= 0
    if not (whole and sensible):
        raise DataError(
            "Savitzky–Golay needs whole numbers, an odd window, 0 <= order < window <= readings in a row "
            f"and derivative >= 0; got window {window}, order {order}, derivative "
            f"{derivative} and {length} readings"
        )
