"""Degradation rates over the first cycles, by Bayesian linear regression."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Bool, Float
from battprob.targets.target import Target

_MIN_POINTS = 5  # the variance of a Student t is finite from three degrees of freedom


def degradation_rate(
    resistance_ohm: ArrayLike,
    cycle: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    last_cycle: int = 100,
    resistance_sd_ohm: float | None = None,
) -> Target:
    r"""Rate of increase of the internal resistance over the first cycles, dR/dN.

    For each cell $R_k = a + b k + \varepsilon_k$, $\varepsilon_k \sim N(0, \sigma^2)$
    with the reference prior $p(a, b, \sigma^2) \propto 1/\sigma^2$. The posterior of b
    is a Student t distribution with $\nu = n - 2$ degrees of freedom, mean and variance

    $$\hat b = \frac{\sum (k - \bar k) R_k}{S},\qquad
    \operatorname{Var} b = \frac{\nu}{\nu - 2} \frac{s^2}{S},\quad
    S = \sum (k - \bar k)^2,\ s^2 = \frac1\nu \sum (R_k - \hat a - \hat b k)^2$$

    If the noise standard deviation σ is known, the posterior of b is Gaussian with
    variance $\sigma^2 / S$; a curvature common to all cells then does not count as
    noise. The measurement errors are assumed independent: with a temperature that
    drifts over many cycles the variance is too small.

    Args:
        resistance_ohm: resistances in ohm of one cell [c] or of several cells [n, c];
            NaN if missing.
        cycle: cycle numbers [c], common to all cells.
        rows: names of the cells; default "0", "1", ...
        last_cycle: later cycles are ignored.
        resistance_sd_ohm: σ in ohm, from repeated measurements; None: estimated from
            the residuals of each cell.

    Returns:
        The rate of each cell in ohm per cycle, with its variance.

    Raises:
        DataError: shapes do not match, a cycle number occurs twice, a value is
            infinite, or a cell has fewer than five measurements (two if σ is given).

    Example:
        >>> cycle = np.arange(1, 11)
        >>> resistance = 0.02 + 1e-5 * cycle + 1e-6 * (-1.0) ** cycle
        >>> rate = degradation_rate(resistance, cycle)
        >>> f"{rate.value[0]:.1e} ± {rate.variance[0] ** 0.5:.0e}"
        '1.0e-05 ± 1e-07'

    References:
        Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), section 14.2.
    """
    value, variance = _slopes(
        "resistance_ohm", resistance_ohm, cycle, rows, last_cycle, resistance_sd_ohm
    )
    return Target(
        value,
        rows=_names(rows, len(value)),
        name="resistance growth",
        unit="ohm/cycle",
        variance=variance,
    )


def fade_rate(
    capacity_ah: ArrayLike,
    cycle: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    last_cycle: int = 100,
    capacity_sd_ah: float | None = None,
) -> Target:
    """Rate of capacity loss over the first cycles, -dQ/dN in Ah per cycle.

    The regression is that of `degradation_rate`.

    Args:
        capacity_ah: capacities in Ah of one cell [c] or of several cells [n, c]; NaN if
            missing.
        cycle: cycle numbers [c], common to all cells.
        rows: names of the cells; default "0", "1", ...
        last_cycle: later cycles are ignored.
        capacity_sd_ah: standard deviation of the measurement noise in Ah; None:
            estimated.

    Returns:
        The rate of each cell in Ah per cycle, with its variance.

    Raises:
        DataError: as in `degradation_rate`.

    Example:
        >>> cycle = np.arange(1, 11)
        >>> f"{fade_rate(1.1 - 1e-4 * cycle, cycle).value[0]:.1e}"
        '1.0e-04'
    """
    value, variance = _slopes(
        "capacity_ah", capacity_ah, cycle, rows, last_cycle, capacity_sd_ah
    )
    return Target(
        -value,
        rows=_names(rows, len(value)),
        name="capacity fade",
        unit="Ah/cycle",
        variance=variance,
    )


def _slopes(name, values, cycle, rows, last_cycle, noise_sd):
    values = np.atleast_2d(np.asarray(values, float))
    cycle = np.asarray(cycle, float)
    if cycle.shape != values.shape[1:] or (
        rows is not None and len(rows) != len(values)
    ):
        raise DataError(
            f"{name} must have shape [cells, cycles], with one cycle number per column "
            f"and one name per cell; got {values.shape}, {cycle.shape} cycles and "
            f"{'no' if rows is None else len(rows)} names"
        )
    _require_numbers(name, values, cycle, rows, noise_sd)
    used = ~np.isnan(values) & (cycle <= last_cycle)
    min_points = _MIN_POINTS if noise_sd is None else 2
    too_few = np.flatnonzero(used.sum(axis=1) < min_points)
    if too_few.size:
        cell = too_few[0]
        raise DataError(
            f"cell {_names(rows, len(values))[cell]!r} has {used[cell].sum()} "
            f"measurements of {name} up to cycle {last_cycle}; a rate with its "
            f"variance needs {min_points}"
        )
    dtype = jnp.result_type(float)
    # Centred in float64, so that cycle numbers do not lose digits in float32.
    centre = cycle[cycle <= last_cycle].mean()
    return _posterior_moments(
        jnp.asarray(np.where(used, values, 0.0), dtype),
        jnp.asarray(cycle - centre, dtype),
        jnp.asarray(used),
        None if noise_sd is None else jnp.asarray(noise_sd, dtype),
    )


def _require_numbers(name, values, cycle, rows, noise_sd):
    if not np.isfinite(cycle).all() or len(np.unique(cycle)) < len(cycle):
        raise DataError(
            f"cycle numbers must be finite and all different; got {cycle[:8].tolist()}"
            f"{' …' if len(cycle) > 8 else ''}"
        )
    if np.isinf(values).any():
        cell, column = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"cell {_names(rows, len(values))[cell]!r} has an infinite {name} at cycle "
            f"{cycle[column]:g}: use NaN for a missing measurement"
        )
    if noise_sd is not None and not 0 < noise_sd < np.inf:
        raise DataError(
            f"the noise standard deviation of {name} must be positive, or None if it "
            f"is unknown; got {noise_sd}"
        )


@eqx.filter_jit
def _posterior_moments(values, cycle, used, noise_sd):
    batched = jax.vmap(_slope_moments, in_axes=(0, None, 0, None))
    return batched(values, cycle, used, noise_sd)


def _slope_moments(
    values: Float[Array, " c"],
    cycle: Float[Array, " c"],
    used: Bool[Array, " c"],
    noise_sd: Float[Array, ""] | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Posterior mean and variance of the slope of one cell."""
    count = used.sum().astype(values.dtype)
    # Cells differ in their missing cycles, so each is centred at its own mean.
    mean_cycle = jnp.where(used, cycle, 0.0).sum() / count
    centred_cycle = jnp.where(used, cycle - mean_cycle, 0.0)
    centred_values = jnp.where(used, values - values.sum() / count, 0.0)
    sum_of_squares = centred_cycle @ centred_cycle
    slope = centred_cycle @ centred_values / sum_of_squares
    if noise_sd is not None:
        return slope, noise_sd**2 / sum_of_squares
    residual = centred_values - slope * centred_cycle
    # ν / (ν - 2) s² with ν = n - 2: the factors n - 2 cancel.
    return slope, residual @ residual / ((count - 4) * sum_of_squares)


def _names(rows, count):
    return [str(i) for i in range(count)] if rows is None else list(rows)
