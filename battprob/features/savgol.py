"""Savitzky–Golay filter: sums of slices inside, a small matrix at the edges."""

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
    r"""Savitzky–Golay filter along the last axis: local least-squares polynomials.

    $$\hat x^{(m)}_i = h^{-m} \sum_{j} c_j\, x_{i+j},\qquad |j| \le (w - 1) / 2$$

    The coefficients c are those of the polynomial of degree `order` fitted to w
    samples. The first and last (w - 1)/2 values are those of the polynomials fitted to
    the first and last w samples.

    Args:
        x: equally spaced samples; rows are filtered independently. A NaN makes all
            values NaN whose window contains it.
        window: number of samples w, odd, because an even window is centred between
            samples.
        order: degree of the polynomial, less than `window`.
        derivative: m, 0 for the smoothed value.
        spacing: distance h between samples.

    Returns:
        Smoothed values or derivatives, in units of x per unit of `spacing`ᵐ.

    Raises:
        DataError: the window is even, longer than the rows, or not larger than `order`,
            or the spacing is not positive.

    Example:
        >>> import numpy as np
        >>> line = 2.0 * np.arange(40.0)
        >>> f"{savgol(line, window=7, order=2, derivative=1, spacing=0.5)[0]:.3f}"
        '4.000'

    References:
        Savitzky and Golay, Analytical Chemistry 36, 1627 (1964),
        doi:10.1021/ac60214a047. The edges are those of mode "interp" of
        `scipy.signal.savgol_filter`.
    """
    x = jnp.asarray(x, jnp.result_type(float))
    _require_window(window, order, derivative, x.shape[-1] if x.ndim else 0)
    if not isinstance(spacing, Tracer) and not spacing > 0:
        raise DataError(f"the spacing of samples must be positive; got {spacing}")
    return _savgol(x, jnp.asarray(spacing, x.dtype), window, order, derivative)


def savgol_matrix(window: int, order: int, derivative: int) -> Float[np.ndarray, "w w"]:
    """Matrix from `window` samples of spacing 1 to the derivatives at each of them.

    The middle row is the filter of the interior.
    """
    half = window // 2
    # Legendre polynomials on [-1, 1] are better conditioned than powers.
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
    matrix = savgol_matrix(window, order, derivative).astype(x.dtype)
    weights = matrix[half]
    inner = x.shape[-1] - 2 * half
    smooth = weights[half] * x[..., half : half + inner]
    for j in range(1, half + 1):
        # Weights of even derivatives are symmetric, those of odd ones antisymmetric,
        # which halves the number of multiplications.
        ahead, behind = x[..., half + j :][..., :inner], x[..., half - j :][..., :inner]
        pair = ahead - behind if derivative % 2 else ahead + behind
        smooth = smooth + weights[half + j] * pair
    smooth = smooth / spacing**derivative
    if half == 0:
        return smooth
    # The default precision of GPUs (TF32) keeps only three digits.
    edge = partial(jnp.einsum, "...j,ij->...i", precision=jax.lax.Precision.HIGHEST)
    first = edge(x[..., :window], matrix[:half]) / spacing**derivative
    last = edge(x[..., -window:], matrix[half + 1 :]) / spacing**derivative
    padded = jnp.pad(smooth, [(0, 0)] * (x.ndim - 1) + [(half, half)])
    return padded.at[..., :half].set(first).at[..., -half:].set(last)


def _require_window(window, order, derivative, length):
    integers = all(isinstance(n, int | np.integer) for n in (window, order, derivative))
    valid = window % 2 == 1 and 0 <= order < window <= length and derivative >= 0
    if not (integers and valid):
        raise DataError(
            "savgol needs integers with an odd window, 0 <= order < window <= samples "
            f"in a row, and derivative >= 0; got window {window}, order {order}, "
            f"derivative {derivative} and {length} samples"
        )
