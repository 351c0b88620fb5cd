"""Comparison of two labels: cycle life and early degradation rate.

    python benchmarks/label_variance.py --baumhofer capacity.csv --json OUT.json

Among nominally identical cells a label varies for two reasons: the cells differ, and the label has
a measurement error. For cycle life and for the fade rate over the first cycles, this script prints
both standard deviations on a logarithmic scale (0.1 is about 10 %), the cycle at which the label is
known, and the fraction of the variance of log life that it explains (with a 90 % bootstrap
interval). The cells are synthetic (same protocol and batch, known truth) and, given a table of
capacities, those of Baumhöfer et al. (2014), doi:10.1016/j.jpowsour.2013.08.108.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

import battprob as bp
from battprob.cli.arguments import Parser
from battprob.targets import cycle_life, fade_rate

_FRESH_AH = 1.85  # rated capacity of the Sanyo UR18650E


class Label(NamedTuple):
    """Logarithm of a label for every cell, and the variance of its measurement error."""

    name: str
    known_at_cycle: float
    log_value: np.ndarray
    log_variance: np.ndarray
    true_sd: float = float("nan")


def main() -> None:
    """Compute, print and write the tables."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--baumhofer", type=Path, help="capacity.csv of Baumhöfer et al."
    )
    parser.add_argument(
        "--cells", type=int, default=1200, help="number of synthetic cells"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bp.enable_x64()
    rows = report("synthetic", *synthetic(options.cells))
    if options.baumhofer is not None:
        rows += report("baumhofer2014", *baumhofer(options.baumhofer))
    if options.json is not None:
        versions = {"battprob": bp.__version__, "jax": jax.__version__}
        record = {"machine": platform.processor(), "versions": versions, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def synthetic(num_cells: int) -> tuple[list[Label], np.ndarray]:
    """Labels of synthetic cells, and the group (protocol and batch) of each cell."""
    truth = bp.data.population(num_cells, seed=0)
    groups = np.array([f"{cell.protocol} {cell.batch}" for cell in truth.cells])
    cells = truth.cells
    life_sd = np.sqrt(
        within(np.log(truth.degradation_rate), groups) * 0.8**2
        + np.mean(truth.log_life_sd**2)
    )
    labels = [life_label(cells, 0.88, 2e-4, life_sd)]
    rate_sd = float(np.sqrt(within(np.log(truth.degradation_rate), groups)))
    labels += [rate_label(cells, last, 2e-4, rate_sd) for last in (10, 20, 50, 100)]
    return labels, groups


def baumhofer(path: Path) -> tuple[list[Label], np.ndarray]:
    """Labels of the cells of one batch; the noise is estimated from repeated checks."""
    cells = bp.data.read_capacity_csv(path)
    noise_sd = repeat_sd(cells)
    print(
        f"\nbaumhofer2014: readings at one cycle differ with sd {1e3 * noise_sd:.1f} mAh"
    )
    lives = [
        life_label(cells, fraction * _FRESH_AH, noise_sd)
        for fraction in (0.8, 0.65, 0.5)
    ]
    rates = [
        rate_label(cells, last, noise_sd) for last in (160, 320, 480, 640, 800, 960)
    ]
    return lives + rates, np.zeros(len(cells))


def life_label(
    cells: Sequence[bp.data.Cell],
    threshold_ah: float,
    noise_sd_ah: float,
    true_sd: float = float("nan"),
) -> Label:
    """Log life of every cell; NaN where the test ended before the end of life."""
    life = cycle_life(cells, threshold_ah=threshold_ah, capacity_sd_ah=noise_sd_ah)
    exact = np.asarray(life.censored) == 0
    value, variance = np.where(exact, life.value, np.nan), np.asarray(life.variance)
    name = f"life to {threshold_ah:.3g} Ah"
    return Label(name, float(np.nanmedian(value)), np.log(value), variance, true_sd)


def rate_label(
    cells: Sequence[bp.data.Cell],
    last_cycle: int,
    noise_sd_ah: float,
    true_sd: float = float("nan"),
) -> Label:
    """Log fade rate of every cell; NaN where it has too few readings or does not fade."""
    rates = [_rate(cell, last_cycle, noise_sd_ah) for cell in cells]
    value, variance = np.array(rates).T
    value = np.where(value > 0, value, np.nan)
    name = f"fade rate to cycle {last_cycle}"
    return Label(name, last_cycle, np.log(value), variance / value**2, true_sd)


def report(name: str, labels: list[Label], groups: np.ndarray) -> list[dict]:
    """Print one table and return its rows."""
    print(
        f"\n{name}: {len(groups)} cells in {len(set(groups))} groups of identical cells"
    )
    header = (
        "label",
        "known at",
        "cells",
        "label sd",
        "error sd",
        "cell sd",
        "true sd",
    )
    widths = (24, 9, 6, 9, 9, 8, 8)
    columns = [f"{h:>{w}}" for h, w in zip(header, widths, strict=True)]
    print("".join(columns) + "   explained fraction of var log life")
    life = labels[0].log_value
    rows = []
    for label in labels:
        total = within(label.log_value, groups)
        error = float(np.nanmean(label.log_variance[np.isfinite(label.log_value)]))
        fraction, low, high = explained(label.log_value, life, groups)
        row = {
            "cells": name,
            "label": label.name,
            "known_at_cycle": label.known_at_cycle,
            "num": int(np.isfinite(label.log_value).sum()),
            "label_sd": total**0.5,
            "error_sd": error**0.5,
            "cell_sd": max(total - error, 0.0) ** 0.5,
            "true_sd": None if np.isnan(label.true_sd) else float(label.true_sd),
            "explained": fraction,
            "explained_interval": [low, high],
        }
        rows.append(row)
        numbers = [row[key] for key in ("label_sd", "error_sd", "cell_sd")]
        print(
            f"{label.name:>24}{label.known_at_cycle:9.0f}{row['num']:6d}"
            + "".join(
                f"{v:{w}.3f}"
                for v, w in zip([*numbers, label.true_sd], widths[3:], strict=True)
            )
            + f"   {fraction:.2f} ({low:.2f} to {high:.2f})"
        )
    return rows


def within(values: np.ndarray, groups: np.ndarray) -> float:
    """Pooled variance within groups."""
    centred, freedom = centre(values, groups)
    return float(np.nansum(centred**2) / freedom)


def explained(label, life, groups, num_bootstraps=500) -> tuple[float, float, float]:
    """Squared correlation within groups, and its 90 % bootstrap interval."""
    both = np.isfinite(label) & np.isfinite(life)
    x, y = (centre(v[both], groups[both])[0] for v in (label, life))
    rng = np.random.default_rng(0)
    draws = rng.integers(len(x), size=(num_bootstraps, len(x)))
    squares = [float(np.corrcoef(x[i], y[i])[0, 1] ** 2) for i in draws]
    low, high = np.quantile(squares, [0.05, 0.95])
    return float(np.corrcoef(x, y)[0, 1] ** 2), float(low), float(high)


def centre(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, int]:
    """Values minus the mean of their group, and the remaining degrees of freedom."""
    centred, freedom = values.copy(), 0
    for group in np.unique(groups):
        rows = groups == group
        known = np.isfinite(values[rows]).sum()
        if known:
            centred[rows] -= np.nanmean(values[rows])
            freedom += int(known) - 1
    return centred, freedom


def repeat_sd(cells: Sequence[bp.data.Cell]) -> float:
    """Standard deviation of a reading, from pairs measured at the same cycle."""
    pairs = [
        cell.capacity_ah[i + 1] - cell.capacity_ah[i]
        for cell in cells
        for i in np.flatnonzero(np.diff(cell.cycle) == 0)
    ]
    pairs = np.array(pairs)
    return float(np.sqrt(np.nanmean(pairs**2) / 2))


def _rate(cell, last_cycle, noise_sd_ah) -> tuple[float, float]:
    early = cell.cycle <= last_cycle
    if np.isfinite(cell.capacity_ah[early]).sum() < 2:
        return np.nan, np.nan
    rate = fade_rate(
        cell.capacity_ah[early],
        cell.cycle[early],
        last_cycle=last_cycle,
        capacity_sd_ah=noise_sd_ah,
    )
    variance = np.nan if rate.variance is None else float(rate.variance[0])
    return float(rate.value[0]), variance


if __name__ == "__main__":
    main()
