"""Regret of Bayesian optimisation with one test at a time, compared with other libraries.

    OMP_NUM_THREADS=1 python benchmarks/design.py --cache FOLDER [--peer PYTHON]
        [--tasks branin ...] [--methods battprob ...] [--seeds 10] [--tests 50] --json OUT.json

Every finished run of a (task, method, seed) is stored in FOLDER, so that the benchmark can be
resumed. With the same seed all methods start from the same ten Sobol points and results. Without
noise the regret is that of the best point tested, with noise that of the recommended point. This
package and BoTorch recommend the best posterior mean (of the utility, where risk has a price). For
the other methods it is the best posterior mean, among their points, of a scikit-learn Gaussian
process fitted to their results.

Peers: pip install torch==2.13.0 botorch==0.18.1 optuna==5.0.0 baybe==0.15.0
scikit-learn==1.9.1 in a separate environment. CPU seconds are for one thread.
"""

import json
import pathlib
import subprocess
import tempfile
import time

import jax
import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc

import battprob as bp
from battprob.cli.arguments import Parser
from battprob.design import (
    UCB,
    Campaign,
    KnowledgeGradient,
    LogEI,
    LogNEI,
    Real,
    RiskAverse,
    Space,
)

PEER = pathlib.Path(__file__).with_name("design_peers.py")
NUM_INITIAL = 10


def branin(u):
    """Branin's function on the unit square; minimum 0.397887."""
    x, y = 15 * u[..., 0] - 5, 15 * u[..., 1]
    bowl = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(u):
    """Hartmann's function on the unit cube of six dimensions; minimum -3.32237."""
    inner = np.sum(_A * (u[..., None, :] - _P) ** 2, axis=-1)
    return -np.exp(-inner) @ np.array([1.0, 1.2, 3.0, 3.2])


def constant(sd):
    """Constant standard deviation of the noise."""
    return lambda u: np.full(u.shape[:-1], sd)


def rising(u):
    """Standard deviation from 1 to 21 % of Branin's range along the first feature."""
    return 307.7 * (0.01 + 0.20 * u[..., 0])


# Function to minimise, its dimension, standard deviation of the noise, price of risk.
TASKS = {
    "branin": (branin, 2, constant(0.0), 0.0),
    "hartmann6": (hartmann6, 6, constant(0.0), 0.0),
    "branin_noisy": (branin, 2, constant(30.8), 0.0),
    "hartmann6_noisy": (hartmann6, 6, constant(0.332), 0.0),
    "branin_heteroscedastic": (branin, 2, rising, 0.0),
    "branin_risk": (branin, 2, rising, 1.0),
}


def is_noisy(task):
    """Whether the results of a task have noise."""
    return bool(TASKS[task][2](np.zeros(6)) > 0)


def loss(task, u):
    """Objective to minimise: the function plus the price of risk times the noise sd."""
    function, _, sd, price = TASKS[task]
    return function(u) + price * sd(u)


def optimum(task):
    """Minimum of the loss, by local searches from many points."""
    dimension = TASKS[task][1]
    u = qmc.Sobol(dimension, seed=0).random(8192)
    starts = u[np.argsort(loss(task, u))[:8]]
    bounds = [(0, 1)] * dimension
    ends = [minimize(lambda u: loss(task, u), s, bounds=bounds) for s in starts]
    return min(end.fun for end in ends)


def outcome(task, u, rng):
    """Result of one test, with noise."""
    function, _, sd, _ = TASKS[task]
    return float(function(u) + sd(u) * rng.normal())


def start(task, seed):
    """Ten Sobol points, their results, and the random generator for further noise."""
    u = qmc.Sobol(TASKS[task][1], seed=seed).random(16)[:NUM_INITIAL]
    rng = np.random.default_rng(1000 + seed)
    return u, [outcome(task, row, rng) for row in u], rng


def models():
    """Model and acquisition function of every task."""
    model, noise = bp.design.default_model, bp.noise
    exact, level = model(noise=noise.Known()), model()
    varying = model(noise=noise.LogLinear(["u0"], prior_mean=-4.0, prior_std=1.0))
    return {
        "branin": (exact, LogEI()),
        "hartmann6": (exact, LogEI()),
        "branin_noisy": (level, LogNEI()),
        "hartmann6_noisy": (level, LogNEI()),
        # With varying noise the information in a test depends on its point.
        "branin_heteroscedastic": (varying, KnowledgeGradient()),
        "branin_risk": (varying, RiskAverse(LogNEI(), 1.0)),
    }


def run_ours(task, seed, num_tests):
    """Run one campaign; return its points and the recommended point."""
    model, acquisition = models()[task]
    dimension, price = TASKS[task][1], TASKS[task][3]
    space = Space(*(Real(f"u{j}", 0.0, 1.0) for j in range(dimension)))
    u, y, rng = start(task, seed)
    known = {"noise_variance": 0.0} if model.noise.uses_known() else {}
    campaign = Campaign.start(
        space,
        key=jax.random.key(seed),
        model=model,
        acquisition=acquisition,
        maximise=False,
        initial=2,
    )

    def points(rows):
        return [{f"u{j}": float(v) for j, v in enumerate(row)} for row in rows]

    if known:
        known = {"noise_variance": np.zeros(len(y))}
    campaign = campaign.tell(points(u), y, **known)
    for _ in range(num_tests - NUM_INITIAL):
        suggested = campaign.ask(1)
        row = np.array([suggested.points[0][f"u{j}"] for j in range(dimension)])
        value = outcome(task, row, rng)
        known = {"noise_variance": [0.0]} if known else {}
        campaign = campaign.tell(suggested, [value], **known)
        u, y = np.vstack([u, row]), [*y, value]
    criterion = RiskAverse(UCB(0.0), price) if price else None
    best = campaign.recommend(criterion).points[0]
    return u, [best[f"u{j}"] for j in range(dimension)]


def run_peer(python, task, method, seed, num_tests):
    """Run the loop of a peer, which requests results from this process."""
    u, y, rng = start(task, seed)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [python, str(PEER), method],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

        def send(message):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

        num = num_tests - NUM_INITIAL
        exact = not is_noisy(task)
        send({"x": u.tolist(), "y": y, "seed": seed, "num": num, "exact": exact})
        for _ in range(num):
            row = np.array(json.loads(process.stdout.readline()))
            u, value = np.vstack([u, row]), outcome(task, row, rng)
            send(value)
        best, seconds = json.loads(process.stdout.readline())
        process.wait()
    return u, best, seconds


def run(options, task, method, seed):
    """Regrets and CPU seconds of one run; read from the cache if present."""
    path = options.cache / f"{task}-{method}-{seed}-{options.tests}.json"
    if path.exists():
        return json.loads(path.read_text())
    begin = time.process_time()
    if method == "battprob":
        u, best = run_ours(task, seed, options.tests)
        seconds = time.process_time() - begin
    else:
        u, best, seconds = run_peer(options.peer, task, method, seed, options.tests)
    minimum = optimum(task)
    best = np.asarray(best if best is not None else u[0])
    result = {
        "best": float(loss(task, u).min() - minimum),
        "recommended": float(loss(task, best) - minimum),
        "seconds": seconds,
    }
    path.write_text(json.dumps(result))
    return result


def main() -> None:
    """Run all tasks and methods, print and write the regrets."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peer", help="interpreter of an environment with the peers")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--methods", nargs="+", default=["battprob"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tests", type=int, default=50)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    options.cache.mkdir(parents=True, exist_ok=True)
    results = {}
    for task in options.tasks:
        regret = "recommended" if is_noisy(task) else "best"
        results[task] = {}
        for method in options.methods:
            runs = [run(options, task, method, seed) for seed in range(options.seeds)]
            regrets = [each[regret] for each in runs]
            low, median, high = np.quantile(regrets, [0.25, 0.5, 0.75])
            seconds = float(np.median([each["seconds"] for each in runs]))
            results[task][method] = {"runs": runs, "median": median, "seconds": seconds}
            print(
                f"{task:24s}{method:14s}{median:10.3g} [{low:.2g}, {high:.2g}]"
                f"{seconds:8.1f} s",
                flush=True,
            )
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
