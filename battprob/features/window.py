"""The window of a Savitzky–Golay filter, chosen by an unbiased estimate of its risk."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int, Numeric
from battprob.features.savgol import savgol_rows
from battprob.features.signals import difference_noise


class WindowRisk(eqx.Module):
    """Expected squared error of a filter, window by window, in its two parts.

    Args:
        window: number of readings in each window.
        variance: of the filtered value, from the noise of the readings: falls with the
            window.
        squared_bias: mean square of what the window blurs away, estimated: rises with
            it. Below zero where it is lost in its own error.
    """

    window: Int[Array, " w"]
    variance: Float[Array, " w"]
    squared_bias: Float[Array, " w"]

    @property
    def risk(self) -> Float[Array, " w"]:
        """Mean squared error: `variance` + `squared_bias`."""
        return self.variance + self.squared_bias

    @property
    def chosen(self) -> int:
        """The window of least risk."""
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
    r"""Estimate the mean squared error of `savgol` for each of some windows.

    With c the weights of a window and r those of a reference without bias,

    $$\text{variance} = \sigma^2 \lVert c \rVert^2,\qquad
    \text{bias}^2 = \overline{((c - r) * x)^2} - \sigma^2 \lVert c - r \rVert^2 .$$

    For the smoothed value r is the reading itself, and the sum is Mallows's C_p (Stein's
    unbiased risk estimate). A derivative has no reading of its own; r is then the filter
    of the same window whose polynomial is two orders higher, and what bias that one
    leaves is not seen. Means run over all rows, and over the places where the widest
    window fits.

    Args:
        x: readings at an even spacing, with white noise; rows share the window.
        windows: odd numbers of readings; default twenty, spread evenly on a log scale
            up to a quarter of the row.
        order, derivative, spacing: as in `savgol`.
        noise_variance: of each row; default `difference_noise`.

    Returns:
        The risk of each window, in units of x² over units of `spacing`²ᵐ.

    Raises:
        DataError: a window is even, wider than a row, or too narrow for the order.

    Example:
        >>> import numpy as np
        >>> place = np.linspace(0, 1, 2000)
        >>> noise = 0.1 * np.random.default_rng(0).standard_normal(2000)
        >>> risk = window_risk(np.sin(12 * place) + noise)
        >>> 100 < risk.chosen < 500
        True

    References:
        Mallows, Some comments on C_p, Technometrics 15, 661 (1973),
        doi:10.1080/00401706.1973.10489103. Stein, Estimation of the mean of a
        multivariate normal distribution, Ann. Statist. 9, 1135 (1981),
        doi:10.1214/aos/1176345632.
    """
    x = jnp.asarray(x, jnp.result_type(float))
    least = order + (3 if derivative else 1)  # for the reference, two orders higher
    least += 1 - least % 2
    length = x.shape[-1]
    tried = _ladder(least, length // 4) if windows is None else tuple(windows)
    if not tried or not all(w % 2 and least <= w <= length for w in tried):
        raise DataError(
            f"windows must be odd, {least} or more for order {order}, and at most "
            f"{length}, the readings in a row; got {list(tried)}"
        )
    noise = difference_noise(x) if noise_variance is None else noise_variance
    weights, excess = _banks(tried, order, derivative)
    noise, weights, excess, spacing = (
        jnp.asarray(a, x.dtype) for a in (noise, weights, excess, spacing)
    )
    parts = _risk(x, noise, weights, excess, spacing, derivative)
    return WindowRisk(jnp.asarray(tried), *parts)


def _ladder(least, most):
    steps = np.geomspace(least, max(most, least), 20)
    return tuple(np.unique(2 * (steps // 2).astype(int) + 1).tolist())


def _banks(windows, order, derivative):
    """Weights of each window, and weights less reference, centred in the widest."""
    widest = max(windows)
    banks = np.zeros((2, len(windows), widest))
    for row, w in enumerate(windows):
        here = slice((widest - w) // 2, (widest + w) // 2)
        own = savgol_rows(w, order, derivative)[w // 2]
        if derivative:
            other = savgol_rows(w, order + 2, derivative)[w // 2]
        else:
            other = np.arange(w) == w // 2
        banks[:, row, here] = own, own - other
    return banks


@eqx.filter_jit
def _risk(x, noise, weights, excess, spacing, derivative):
    rows = x.reshape(-1, 1, x.shape[-1])
    blurred = jax.lax.conv_general_dilated(
        rows, excess[:, None], (1,), "VALID", precision=jax.lax.Precision.HIGHEST
    )
    scale = spacing ** (-2 * derivative)
    noise = jnp.mean(noise) * scale
    variance = noise * (weights**2).sum(-1)
    squared_bias = (blurred**2).mean((0, 2)) * scale - noise * (excess**2).sum(-1)
    return variance, squared_bias
