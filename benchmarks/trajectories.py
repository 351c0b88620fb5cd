"""Forecasts of life and capacity after 30 % of life, leaving out one cell at a time.

`FadeTrajectory` is compared with (a) the extrapolation of a Gaussian process fitted to the capacity
of the cell itself, and (b) the empirical distribution of the lives of the other cells.

    python benchmarks/trajectories.py DATA [--sets severson xjtu] [--cells 12] [-o OUT.json]
"""

import json
import os
import time
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from tqdm import tqdm

import battprob as bp
from battprob import data
from battprob.cli.arguments import Parser

bp.enable_x64()
FRACTION = 0.3  # of the life, known when the forecast is made
DRAWS, STEPS = 500, 200


def _severson(folder):
    cells = data.read_pack(
        folder / "severson/severson.npz", capacity_path=folder / "severson/capacity.npz"
    )
    return cells, 0.88


def _baumhofer(folder):
    return data.read_capacity_csv(folder / "baumhofer2014/capacity.csv"), 0.8 * 1.85


def _sunwoda(folder):
    return data.read_capacity_csv(folder / "sunwoda2024/capacity.csv"), 0.88


def _xjtu(folder):
    path = folder / "xjtu/capacity.csv"
    return data.read_capacity_csv(
        path, cycle="record"
    ), 1.65  # few cells reach 80 % (1.6 Ah)


SETS = {f.__name__[1:]: f for f in (_severson, _baumhofer, _sunwoda, _xjtu)}


def true_life(cell, threshold):
    """Life in the data, or first crossing of the smoothed capacity; NaN if none."""
    if np.isfinite(cell.cycle_life):
        return cell.cycle_life
    known = np.isfinite(cell.capacity_ah)
    cycle, capacity = cell.cycle[known], cell.capacity_ah[known].copy()
    if len(cycle) > 100:
        triple = np.stack([capacity[:-2], capacity[1:-1], capacity[2:]])
        capacity[1:-1] = np.median(triple, axis=0)
    below = np.flatnonzero(capacity < threshold)
    if not len(below) or below[0] == 0:
        return np.nan
    j = below[0]
    fraction = (capacity[j - 1] - threshold) / (capacity[j - 1] - capacity[j])
    return cycle[j - 1] + fraction * (cycle[j] - cycle[j - 1])


def _crps(draws, y):
    return np.abs(draws - y).mean() - 0.5 * np.abs(draws[:, None] - draws[None]).mean()


def extrapolated(cell, after, threshold, farthest, key):
    """Draws of the life from a Gaussian process of the capacity of this cell."""
    keep = (cell.cycle <= after) & np.isfinite(cell.capacity_ah)
    observed = bp.Dataset(cell.cycle[keep].astype(float), cell.capacity_ah[keep])
    process = bp.models.GaussianProcess(solver=bp.models.StateSpace())
    posterior = process.fit(observed, key=key)
    cycles = np.linspace(after, farthest, STEPS)
    paths = np.asarray(posterior.sample_functions(cycles, key=key, num=DRAWS))
    below = paths < threshold
    return np.where(below.any(1), cycles[below.argmax(1)], farthest)


def _one_cell(cells, lives, i, threshold, *, with_process):
    key = jax.random.key(0)
    cell, life = cells[i], lives[i]
    after = FRACTION * life
    start = time.process_time()
    others = [other for j, other in enumerate(cells) if j != i]
    posterior = bp.trajectories.FadeTrajectory(progress=False).fit(others, key=key)
    forecast = posterior.forecast(cell, after_cycle=after)
    later = np.flatnonzero((cell.cycle > after) & np.isfinite(cell.capacity_ah))
    later = later[np.linspace(0, len(later) - 1, min(24, len(later))).astype(int)]
    later = later[cell.cycle[later] <= forecast.horizon]
    low, high = forecast.capacity(cell.cycle[later]).interval(0.9)
    inside = (cell.capacity_ah[later] >= low) & (cell.capacity_ah[later] <= high)
    pred = forecast.life(threshold)
    ends = [float(end) for end in pred.interval(0.9)]
    seconds = time.process_time() - start
    population = np.delete(lives, i)
    population = population[np.isfinite(population)]
    record = {
        "cell": cell.name,
        "life": float(life),
        "median": float(pred.quantile(0.5)),
        "low": ends[0],
        "high": ends[1],
        "capacity_coverage": float(np.mean(inside)),
        "life_covered": bool(ends[0] <= life <= ends[1]),
        "crps": float(pred.crps(life)),
        "crps_population": float(_crps(population, life)),
        "aleatoric_sd": float(np.sqrt(pred.aleatoric)),
        "epistemic_sd": float(np.sqrt(pred.epistemic)),
        "cpu_seconds": seconds,
    }
    if with_process:
        draws = extrapolated(cell, after, threshold, 4 * np.max(population), key)
        record["crps_process"] = float(_crps(draws, life))
    return record


def _main():
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument(
        "--cells", type=int, help="maximum number of cells left out, drawn at random"
    )
    parser.add_argument("--without-process", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    results = {}
    titles = ("cells", "cov Q", "cov life", "CRPS", "process", "population", "CPU s")
    print(f"{'':<12}" + "".join(f"{title:>12}" for title in titles))
    for name in options.sets:
        cells, threshold = SETS[name](options.data)
        lives = np.array([true_life(cell, threshold) for cell in cells])
        left_out = np.flatnonzero(np.isfinite(lives))
        if options.cells and options.cells < len(left_out):
            rng = np.random.default_rng(0)
            left_out = rng.choice(left_out, options.cells, replace=False)
        rows = [
            _one_cell(
                cells, lives, i, threshold, with_process=not options.without_process
            )
            for i in tqdm(left_out, name, disable=None)
        ]
        results[name] = rows
        columns = ("capacity_coverage", "life_covered", "crps", "crps_process")
        columns = (*columns, "crps_population", "cpu_seconds")
        means = [np.mean([row.get(c, np.nan) for row in rows]) for c in columns]
        print(f"{name:<12}{len(rows):>12}" + "".join(f"{m:>12.3g}" for m in means))
    if options.output is not None:
        options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    _main()
