"""Time, memory and accuracy of all regression scores for a million predictions.

    python benchmarks/evaluate.py [--rows 1000000] [--repeats 3] [--json OUT.json]

The scores are those of `bp.evaluate.summary`, with standard errors over groups. Each prediction
has 32 Gaussian components (4 draws of 8), in float64. CPU seconds are reported as well as wall
seconds because other processes affect only the latter.
"""

import json
import os
import pathlib
import platform
import resource
import time

import jax
import numpy as np
from scipy import integrate, stats

import battprob as bp
from battprob.cli.arguments import Parser


def mixtures(rows, rng):
    """Random predictions with 32 components, and targets."""
    shape = (4, 8, rows)
    pred = bp.Predictive(
        rng.standard_normal(shape),
        rng.uniform(0.1, 1.0, shape),
        0.1,
        rng.standard_normal(shape),
    )
    return pred, rng.standard_normal(rows)


def worst_error(pred, y, rows):
    """Largest differences from SciPy: CRPS, and cdf at the ends of the interval."""
    few, crps = pred.take(slice(rows)), np.asarray(bp.evaluate.crps(pred, y))[:rows]
    low, high = few.interval(0.9)
    scale = np.sqrt(np.asarray(few.noise_variance + few.function_variance))
    worst = {"crps": 0.0, "quantile_cdf": 0.0}
    for row in range(rows):
        mean, sd, weight = (
            np.asarray(a[:, :, row]).ravel()
            for a in (few.location, scale, np.exp(few.log_weight))
        )

        def cdf(t, mean=mean, sd=sd, weight=weight):
            return weight @ stats.norm.cdf(t, mean, sd)

        options = {"epsabs": 1e-13, "epsrel": 1e-13, "limit": 200}
        below = integrate.quad(lambda t: cdf(t) ** 2, -20, y[row], **options)[0]
        above = integrate.quad(lambda t: (1 - cdf(t)) ** 2, y[row], 20, **options)[0]
        worst["crps"] = max(worst["crps"], abs(crps[row] - below - above))
        ends = abs(cdf(low[row]) - 0.05), abs(cdf(high[row]) - 0.95)
        worst["quantile_cdf"] = float(max(worst["quantile_cdf"], *ends))
    return worst


def main(rows=1_000_000, repeats=3):
    """Time `summary`; the first call, with compilation, is reported separately."""
    rng = np.random.default_rng(0)
    pred, y = mixtures(rows, rng)
    groups = rng.integers(0, 40, rows)
    times = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        scores = bp.evaluate.summary(pred, y, groups)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    later = np.array(times[1:])
    print(scores)
    return {
        "rows": rows,
        "components": 32,
        "first_wall_s": times[0][0],
        "median_wall_s": float(np.median(later[:, 0])),
        "median_cpu_s": float(np.median(later[:, 1])),
        "least_wall_s": float(later[:, 0].min()),
        "least_cpu_s": float(later[:, 1].min()),
        "predictive_mb": pred.location.nbytes * 4 / 1e6,
        "memory_added_mb": (after - before) / 1e3,
        "worst_error": worst_error(pred, y, rows=min(rows, 20)),
        "load": os.getloadavg(),
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "jax": jax.__version__,
    }


if __name__ == "__main__":
    parser = Parser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    bp.enable_x64()
    result = main(options.rows, options.repeats)
    print(json.dumps(result, indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
