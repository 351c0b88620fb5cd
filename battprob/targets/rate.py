"""Rates of degradation over the first cycles, by Bayesian regression."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Bool, Float
from battprob.targets.target import Target

_FEWEST = 5  # the posterior variance is finite from five readings on


def degradation_rate(
    resistance_ohm: ArrayLike,
    cycle: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    last_cycle: int = 100,
    resistance_sd_ohm: float | None = None,
) -> Target:
    r"""Growth of the internal resistance over the first cycles, dR/dN.

    For each cell $R_k = a + b k + \varepsilon_k$, $\varepsilon_k \sim N(0, \sigma^2)$ with
    the reference prior $p(a, b, \sigma^2) \propto 1/\sigma^2$. The posterior of b is then
    a Student t with $\nu = n - 2$ degrees of freedom; its mean and variance are

    $$\hat b = \frac{\sum (k - \bar k) R_k}{S},\qquad
    \operatorname{Var} b = \frac{\nu}{\nu - 2} \frac{s^2}{S},\quad
    S = \sum (k - \bar k)^2,\ s^2 = \frac1\nu \sum (R_k - \hat a - \hat b k)^2$$

    Where the noise σ of a reading is known, b is Gaussian of variance $\sigma^2 / S$
    instead, and a bend that all cells share no longer counts as noise. Errors of readings
    are taken as independent: a temperature that drifts over many cycles makes the
    variance too small.

    Args:
        resistance_ohm: of one cell [c], or of many [n c]; NaN where missing.
        cycle: cycle numbers [c], common to the cells.
        rows: names of the cells; default their numbers, from 0.
        last_cycle: later cycles are not looked at.
        resistance_sd_ohm: σ, from repeated readings; None: learned from each cell's
            scatter about its line.

    Returns:
        The rate of each cell in ohm a cycle, with its variance.

    Raises:
        DataError: shapes disagree, a cycle number comes twice, a value is infinite, or a
            cell has fewer than five readings (two where σ is known).

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
    """Loss of capacity over the first cycles, -dQ/dN in Ah a cycle.

    The regression and the other arguments are those of `degradation_rate`.

    Args:
        capacity_ah: of one cell [c], or of many [n c]; NaN where missing.
        cycle: cycle numbers [c], common to the cells.
        rows: names of the cells; default their numbers, from 0.
        last_cycle: later cycles are not looked at.
        capacity_sd_ah: standard deviation of a reading's noise, if known.

    Raises:
        DataError: shapes disagree, or a cell has too few readings.

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
            f"{name} must be [cells, cycles] with a number of each cycle and a name of "
            f"each cell; got {values.shape}, {cycle.shape} cycles and "
            f"{'no' if rows is None else len(rows)} names"
        )
    _require_numbers(name, values, cycle, rows, noise_sd)
    used = ~np.isnan(values) & (cycle <= last_cycle)
    fewest = _FEWEST if noise_sd is None else 2
    few = np.flatnonzero(used.sum(axis=1) < fewest)
    if few.size:
        raise DataError(
            f"cell {_names(rows, len(values))[few[0]]!r} has {used[few[0]].sum()} readings "
            f"of {name} up to cycle {last_cycle}; a rate with its variance needs {fewest}"
        )
    dtype = jnp.result_type(float)
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
        cell, place = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"cell {_names(rows, len(values))[cell]!r} has an infinite {name} at cycle "
            f"{cycle[place]:g}: mark a missing reading with NaN"
        )
    if noise_sd is not None and not 0 < noise_sd < np.inf:
        raise DataError(
            f"the standard deviation of a reading of {name} must be positive, or None "
            f"where it is not known; got {noise_sd}"
        )


@eqx.filter_jit
def _posterior_moments(values, cycle, used, noise_sd):
    one = jax.vmap(_posterior_of_slope, in_axes=(0, None, 0, None))
    return one(values, cycle, used, noise_sd)


def _posterior_of_slope(
    values: Float[Array, " c"],
    cycle: Float[Array, " c"],
    used: Bool[Array, " c"],
    noise_sd: Float[Array, ""] | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean and variance of the slope, from the readings in use."""
    count = used.sum().astype(values.dtype)
    mean_cycle = jnp.where(used, cycle, 0.0).sum() / count
    offset = jnp.where(used, cycle - mean_cycle, 0.0)
    rise = jnp.where(used, values - values.sum() / count, 0.0)
    spread = offset @ offset
    slope = offset @ rise / spread
    if noise_sd is not None:
        return slope, noise_sd**2 / spread
    residual = rise - slope * offset
    return slope, residual @ residual / ((count - 4) * spread)


def _names(rows, count):
    return [str(i) for i in range(count)] if rows is None else list(rows)
