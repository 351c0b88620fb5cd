"""Synthetic cells with known life distribution, for tests of predicted uncertainty.

The population resembles fast-charged LFP cells but simulates no real cell. Discharge
curves Q(V) come from half-cell potentials and degradation modes (`_halfcell`). Life is
drawn from a chosen distribution,

    log life = m + s * epsilon,    epsilon ~ N(0, 1),
    m = log 800 - 0.8 log r - 0.2 u + batch effect,    s = 0.06 * 6**u.

Here r is the degradation rate of the cell, which is visible in its first 100 cycles,
and u in [0, 1] is the scaled charging rate between 3.6C and 6C. Nothing that is
measured before the knee depends on epsilon: s is aleatoric, and six times larger at u =
1 than at u = 0. The capacity then fades as

    Q(n) = early(r, n) - (early(r, life) - 0.88 Ah) * (n / life)**8,

so that it crosses 80 % of the nominal capacity exactly at the drawn life. The
magnitudes (lives of some hundred to two thousand cycles, variance of Q100 - Q10 between
1e-5 and 1e-3 Ah²) are those of Severson et al. (2019), doi:10.1038/s41560-019-0356-8.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data._halfcell import discharge_curves_ah
from battprob.data.records import Cell

END_OF_LIFE_AH = 0.88  # 80 % of 1.1 Ah

_VOLTAGE_V = np.linspace(3.6, 2.0, 500)
_CURVE_CYCLE = np.arange(2, 101)
_CHARGE_RATES_C = np.array([3.6, 3.8, 4.0, 4.2, 5.4, 5.6, 5.8, 6.0])
_KNEE_POWER = 8
_AGEING_LIMIT = 8.0  # asymptote of the early degradation
_CURVE_NOISE_AH = 2e-4
_VOLTAGE_NOISE_V = 2e-4
_DECIMALS = 4  # of the recorded capacities in Ah


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Synthetic cells and the true parameters of their life distribution.

    Attributes:
        cells: the records, as a reader would return them.
        log_life_mean, log_life_sd: mean and standard deviation of the natural logarithm
            of life (in cycles), given the degradation rate, protocol and batch of each
            cell. Features contain the rate with measurement noise and, in cells that
            live for less than about 200 cycles, the onset of the knee.
        degradation_rate: r of each cell, about 1.
        charge_rate_c: charging rate of the protocol of each cell.
    """

    cells: tuple[Cell, ...]
    log_life_mean: Float[np.ndarray, " n"]
    log_life_sd: Float[np.ndarray, " n"]
    degradation_rate: Float[np.ndarray, " n"]
    charge_rate_c: Float[np.ndarray, " n"]


def population(num_cells: int, *, seed: int, num_batches: int = 3) -> Population:
    """Draw synthetic cells and the true parameters of their life distribution.

    The records have the curves of cycles 2 to 100 and all capacities. Protocols and
    batches are drawn at random for each cell. Both affect the degradation rate and the
    life. About one cell in 5000 fails before cycle 100 and has no curves after its end
    of life.

    Args:
        num_cells: number of cells.
        seed: seed of the random numbers; the same seed gives the same cells.
        num_batches: number of batches, named `batch0`, `batch1`, ...

    Raises:
        DataError: the number of cells or batches is less than one.

    Example:
        >>> truth = population(3, seed=0)
        >>> truth.cells[0]
        Cell('synthetic/cell0', 160 cycles from 2 to 161, 99 curves, cycle_life=161)
    """
    if num_cells < 1 or num_batches < 1:
        raise DataError(
            f"expected at least one cell and one batch, got {num_cells} and "
            f"{num_batches}"
        )
    rng = np.random.default_rng(seed)
    charge_rate = rng.choice(_CHARGE_RATES_C, num_cells)
    u = (charge_rate - 3.6) / 2.4
    batch = rng.integers(num_batches, size=num_cells)
    log_rate = 0.8 * (u - 0.5) + 0.1 * rng.standard_normal(num_batches)[batch]
    log_rate += 0.35 * rng.standard_normal(num_cells)
    mean = np.log(800) - 0.8 * log_rate - 0.2 * u
    mean += 0.05 * rng.standard_normal(num_batches)[batch]
    sd = 0.06 * 6**u
    life = np.exp(mean + sd * rng.standard_normal(num_cells))
    cells = tuple(
        _cell(
            rng, f"synthetic/cell{i}", np.exp(log_rate[i]), life[i], charge_rate[i], b
        )
        for i, b in enumerate(batch)
    )
    return Population(cells, mean, sd, np.exp(log_rate), charge_rate)


def _cell(rng, name, rate, life, charge_rate, batch):
    extra_lithium_ah = 0.008 * rng.standard_normal()
    # The early fade is smooth: computing it at 40 cycles saves one curve per cycle.
    knots = np.linspace(0, life, 40)
    early_ah = _curves(np.array([3.6, 2.0]), _ageing(rate, knots), extra_lithium_ah)
    early_ah = early_ah[:, 1]
    cycle = np.arange(_CURVE_CYCLE[0], np.ceil(life) + 20)
    knee_ah = (early_ah[-1] - END_OF_LIFE_AH) * (cycle / life) ** _KNEE_POWER
    capacity = _measured(rng, np.interp(cycle, knots, early_ah) - knee_ah)

    # The loss of the knee is a loss of lithium, so that curves end at the capacity.
    curve_cycle = _CURVE_CYCLE[life >= _CURVE_CYCLE]
    true_curves = _curves(
        _VOLTAGE_V,
        _ageing(rate, curve_cycle),
        extra_lithium_ah - knee_ah[: len(curve_cycle)],
        _VOLTAGE_NOISE_V * rng.standard_normal(len(curve_cycle)),
    )
    curves = _measured(rng, true_curves)
    capacity[: len(curve_cycle)] = curves[:, -1]
    last = np.flatnonzero(capacity < END_OF_LIFE_AH)[0]
    return Cell(
        name,
        cycle[: last + 1],
        capacity[: last + 1],
        curve_cycle=curve_cycle,
        voltage_v=_VOLTAGE_V,
        curve_capacity_ah=curves,
        cycle_life=float(cycle[last]),
        protocol=f"{charge_rate:g}C(80%)-{charge_rate:g}C",
        batch=f"batch{batch}",
        meta={
            "charge_rate_c": float(charge_rate),
            "charge_time_0_80_min": 48 / float(charge_rate),
        },
    )


def _ageing(rate, cycle):
    """Extent of early degradation: rate * cycle / 100 at first, saturating later."""
    return _AGEING_LIMIT * -np.expm1(-rate * cycle / 100 / _AGEING_LIMIT)


def _curves(voltage_v, ageing, extra_lithium_ah, voltage_noise_v=0.0):
    """Q(V) after degradation: loss of lithium and graphite, and slower transport."""
    return discharge_curves_ah(
        voltage_v,
        lithium_ah=1.165 - 0.004 * ageing + extra_lithium_ah,
        graphite_ah=1.3 * (1 - 0.003 * ageing),
        lfp_ah=1.2,
        resistive_v=0.055 + 0.0003 * ageing + voltage_noise_v,
        diffusive_v=0.1 * ageing,
    )


def _measured(rng, capacity_ah):
    noise = _CURVE_NOISE_AH * rng.standard_normal(capacity_ah.shape)
    return np.round(capacity_ah + noise, _DECIMALS)


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Regression data with the true moments: y ~ N(mean, sd²) at each row of x."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    mean: Float[np.ndarray, " n"]
    sd: Float[np.ndarray, " n"]


def heteroscedastic_regression(
    num_rows: int, *, num_features: int = 1, seed: int
) -> Regression:
    """Draw regression data with a nonlinear mean and input-dependent noise.

    With x uniform on [-1, 1]^d,

        mean(x) = sin(3 x_1) + sum_{j > 1} cos(2 x_j) / j,
        sd(x) = 0.05 * 10 ** ((1 + x_d) / 2),

    so that the noise standard deviation increases tenfold along the last feature.

    Example:
        >>> data = heteroscedastic_regression(100, num_features=5, seed=0)
        >>> data.x.shape, float(data.sd.min()) >= 0.05
        ((100, 5), True)
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (num_rows, num_features))
    order = np.arange(2, num_features + 1)
    mean = np.sin(3 * x[:, 0]) + (np.cos(2 * x[:, 1:]) / order).sum(axis=1)
    sd = 0.05 * 10 ** ((1 + x[:, -1]) / 2)
    return Regression(x, mean + sd * rng.standard_normal(num_rows), mean, sd)
