"""Choice of the window of a Savitzky–Golay filter by an estimate of its risk."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int, Numeric
from battprob.features.savgol import savgol_matrix
from battprob.features.signals import difference_noise


class WindowRisk(eqx.Module):
    """Estimated mean squared error of a filter for each window, as variance plus bias².

    Args:
        window: number of samples of each window.
        variance: variance of the filtered value due to noise; decreases with the
            window.
        squared_bias: estimated mean squared bias due to smoothing; increases with the
            window. The estimate can be negative if the bias is small.
    """

    window: Int[Array, " w"]
    variance: Float[Array, " w"]
    squared_bias: Float[Array, " w"]

    @property
    def risk(self) -> Float[Array, " w"]:
        """Mean squared error: `variance` + `squared_bias`."""
        return self.variance + self.squared_bias

    @property
    def best_window(self) -> int:
        """Window with the smallest risk."""
        return int(self.window[jnp.argmin(self.risk)])


def window_risk(
    x: Float[Numeric, "*b n"],
    *,
    windows: Sequence[int] | None = None,
    order: int = 3,
    derivative: int = 0,
    spacing: ArrayLike = 1.0,
    noise_variance: ArrayLike | None = None,
) -> WindowRisk:
    r"""Estimate the mean squared error of `savgol` for several windows.

    With c the weights of a window and r those of a reference filter without bias,

    $$\text{variance} = \sigma^2 \lVert c \rVert^2,\qquad
    \text{bias}^2 = \overline{((c - r) * x)^2} - \sigma^2 \lVert c - r \rVert^2 .$$

    For the smoothed value, r is the sample itself, and the sum is Mallows's C_p
    (Stein's unbiased risk estimate). For a derivative, r is the filter with the same
    window and a polynomial of order two higher; the bias of that filter is not
    included. The means are over all rows and over the samples for which the longest
    window is complete.

    Args:
        x: equally spaced samples with white noise; the window is common to all rows.
        windows: odd numbers of samples; default: twenty, equally spaced on a log scale
            up to a quarter of the row.
        order, derivative, spacing: as in `savgol`.
        noise_variance: noise variance of each row; default: `difference_noise`.

    Returns:
        The risk of each window, in units of x² per unit of `spacing`²ᵐ; `best_window`
        is the window with the smallest risk.

    Raises:
        DataError: a window is even, longer than a row, or too short for the order.

    Example:
        >>> import numpy as np
        >>> time = np.linspace(0, 1, 2000)
        >>> noise = 0.1 * np.random.default_rng(0).standard_normal(2000)
        >>> risk = window_risk(np.sin(12 * time) + noise)
        >>> 100 < risk.best_window < 500
        True

    References:
        Mallows, Some comments on C_p, Technometrics 15, 661 (1973),
        doi:10.1080/00401706.1973.10489103. Stein, Estimation of the mean of a
        multivariate normal distribution, Ann. Statist. 9, 1135 (1981),
        doi:10.1214/aos/1176345632.
    """
    x = jnp.asarray(x, jnp.result_type(float))
    min_window = order + (3 if derivative else 1)  # the reference has order + 2
    min_window += 1 - min_window % 2
    length = x.shape[-1]
    if windows is None:
        windows = _default_windows(min_window, length // 4)
    windows = tuple(windows)
    if not windows or not all(w % 2 and min_window <= w <= length for w in windows):
        raise DataError(
            f"windows must be odd, at least {min_window} for order {order}, and at "
            f"most {length}, the number of samples in a row; got {list(windows)}"
        )
    noise = difference_noise(x) if noise_variance is None else noise_variance
    weights, difference = _filter_banks(windows, order, derivative)
    noise, weights, difference, spacing = (
        jnp.asarray(a, x.dtype) for a in (noise, weights, difference, spacing)
    )
    parts = _risk(x, noise, weights, difference, spacing, derivative)
    return WindowRisk(jnp.asarray(windows), *parts)


def _default_windows(shortest, longest):
    steps = np.geomspace(shortest, max(longest, shortest), 20)
    return tuple(np.unique(2 * (steps // 2).astype(int) + 1).tolist())


def _filter_banks(windows, order, derivative):
    """Weights c, and differences c - r, of each window, centred in the longest."""
    longest = max(windows)
    banks = np.zeros((2, len(windows), longest))
    for row, w in enumerate(windows):
        columns = slice((longest - w) // 2, (longest + w) // 2)
        weights = savgol_matrix(w, order, derivative)[w // 2]
        if derivative:
            reference = savgol_matrix(w, order + 2, derivative)[w // 2]
        else:
            reference = np.arange(w) == w // 2
        banks[:, row, columns] = weights, weights - reference
    return banks


@eqx.filter_jit
def _risk(x, noise, weights, difference, spacing, derivative):
    rows = x.reshape(-1, 1, x.shape[-1])
    residual = jax.lax.conv_general_dilated(
        rows, difference[:, None], (1,), "VALID", precision=jax.lax.Precision.HIGHEST
    )
    scale = spacing ** (-2 * derivative)
    noise = jnp.mean(noise) * scale
    variance = noise * (weights**2).sum(-1)
    mean_square = (residual**2).mean((0, 2)) * scale
    # The noise part of the residual is subtracted, which makes the estimate unbiased.
    squared_bias = mean_square - noise * (difference**2).sum(-1)
    return variance, squared_bias
