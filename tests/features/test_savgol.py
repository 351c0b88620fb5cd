"""`savgol` equals SciPy's filter in mode `interp` and is more accurate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import savgol_filter

from battprob import DataError
from battprob.features import savgol

ROWS = np.random.default_rng(0).standard_normal((3, 61))


@pytest.mark.parametrize("derivative", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("window", "order"), [(1, 0), (5, 2), (7, 6), (25, 3), (61, 4)]
)
def test_equals_scipy(window, order, derivative):
    setting = {"window": window, "order": order, "derivative": derivative}
    got = savgol(ROWS, **setting, spacing=0.3)
    expected = savgol_filter(ROWS, window, order, deriv=derivative, delta=0.3)
    scale = max(np.abs(expected).max(), 1.0)
    np.testing.assert_allclose(got, expected, atol=1e-10 * scale, rtol=0)


@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_polynomials_of_the_order_of_the_filter_are_exact(derivative):
    # The error of SciPy is 1e-7 here, because it uses powers of the position.
    position = np.linspace(-1, 1, 201)
    poly = np.polynomial.Polynomial([0.3, -1.0, 0.5, 2.0, 0.1, -0.7, 0.4, 1.0])
    got = savgol(
        poly(position), window=101, order=7, derivative=derivative, spacing=0.01
    )
    expected = (poly.deriv(derivative) if derivative else poly)(position)
    np.testing.assert_allclose(got, expected, atol=1e-13 * 100.0**derivative)


def test_runs_in_float32_and_without_jit():
    got = savgol(jnp.asarray(ROWS, jnp.float32), window=25)
    with jax.disable_jit():
        plain = savgol(ROWS, window=25)
    np.testing.assert_allclose(got, plain, atol=1e-5)


def test_gradient_is_the_transpose_of_the_filter():
    row = ROWS[0]
    weights = jax.jacobian(lambda x: savgol(x, window=7, order=2))(jnp.asarray(row))
    np.testing.assert_allclose(
        weights @ row, savgol(row, window=7, order=2), atol=1e-12
    )


@pytest.mark.parametrize(("window", "order"), [(4, 2), (63, 3), (5, 5)])
def test_invalid_windows_are_errors(window, order):
    with pytest.raises(DataError, match=f"got window {window}, order {order}"):
        savgol(ROWS, window=window, order=order)


def test_spacing_zero_is_an_error():
    with pytest.raises(DataError, match=r"spacing of samples must be positive; got 0"):
        savgol(ROWS, derivative=1, spacing=0.0)
