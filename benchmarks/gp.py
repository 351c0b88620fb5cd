"""Gaussian processes with varying noise: accuracy, and time compared with other libraries.

    OMP_NUM_THREADS=1 python benchmarks/gp.py [--peer PYTHON] [--seeds 10] [--smoke] --json OUT.json

The peers (pip install scikit-learn==1.9.1 hetgpy==1.0.6 in a separate environment) get the
same data. "gap" is the mean negative log density over test points minus that of the true
density. Times are CPU seconds for one thread without compilation.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import jax
import numpy as np
from scipy.stats import norm

import battprob as bp
from battprob.cli.arguments import Parser

PEER = """
import json, sys, time, warnings
import numpy as np
from hetgpy import hetGP
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, RBF, WhiteKernel
warnings.simplefilter("ignore")
task = np.load(sys.argv[1])
x, y, new, y_new = (task[name] for name in ("x", "y", "new", "y_new"))
start = time.process_time()
if sys.argv[2] == "sklearn":
    length = np.ones(x.shape[1])
    kernel = ConstantKernel() * Matern(length, (1e-3, 1e3), nu=2.5) + WhiteKernel(0.1)
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    model = GaussianProcessRegressor(kernel).fit(z, t)
    evidence = model.log_marginal_likelihood_value_ - len(y) * np.log(y.std())
    result = {"evidence": evidence, "seconds": time.process_time() - start}
else:
    model = hetGP()
    model.mle(X=x, Z=y, covtype=sys.argv[3])
    seconds = time.process_time() - start
    pred = model.predict(new)
    sd = np.sqrt(pred["sd2"] + pred["nugs"])
    result = {
        "seconds": seconds,
        "nlpd": -norm.logpdf(y_new, pred["mean"], sd).mean(),
        "coverage": np.mean(np.abs(y_new - pred["mean"]) < 1.6449 * sd),
        "noise_sd": np.sqrt(pred["nugs"]).tolist(),
    }
print(json.dumps(result))
"""


def _bump(x):
    return 2 * (np.exp(-30 * (x - 0.25) ** 2) + np.sin(np.pi * x**2)) - 2


# Mean, standard deviation of the noise, and upper end of x.
CURVES = {
    "Goldberg": (lambda x: 2 * np.sin(2 * np.pi * x), lambda x: 0.5 + x, 1.0),
    "Yuan-Wahba": (_bump, lambda x: np.exp(np.sin(2 * np.pi * x)), 1.0),
    "Williams": (
        lambda x: np.sin(2.5 * x) * np.sin(1.5 * x),
        lambda x: 0.01 + 0.25 * (1 - np.sin(2.5 * x)) ** 2,
        np.pi,
    ),
}


def curve(name, seed, num=200, num_new=1000):
    """Training and test data, the true noise sd at test points, and the true NLPD."""
    mean, sd, end = CURVES[name]
    rng = np.random.default_rng(seed)

    def draw(size):
        x = rng.uniform(0, end, size)
        return x, mean(x) + sd(x) * rng.normal(size=size)

    (x, y), (new, y_new) = draw(num), draw(num_new)
    oracle = -norm.logpdf(y_new, mean(new), sd(new)).mean()
    task = {"x": x[:, None], "y": y, "new": new[:, None], "y_new": y_new}
    return task, sd(new), oracle


def surface(num):
    """A smooth function of five features with constant noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(num, 5))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4] + rng.normal(size=num)
    return {"x": x, "y": y, "new": x[:2], "y_new": y[:2]}


def run_peer(python, task, which, covariance="Gaussian"):
    """Result of a peer; `covariance` is the name of a kernel in hetgpy."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, **task)
        out = subprocess.run(
            [python, "-c", PEER, file.name, which, covariance],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    return json.loads(out.splitlines()[-1])


def timed_fit(model, task):
    """A posterior, and the CPU seconds of a second fit, which needs no compilation."""
    data = bp.Dataset(task["x"], task["y"])
    model.fit(data, key=jax.random.key(0))
    start = time.process_time()
    posterior = model.fit(data, key=jax.random.key(0))
    return posterior, time.process_time() - start


def accuracy(name, seeds, peer, num=200):
    """Means over seeds of gap, noise error, coverage and time; also for hetgpy."""
    model = bp.models.GaussianProcess(bp.kernels.RBF(), bp.noise.LatentGP())
    ours, theirs = [], []
    for seed in range(seeds):
        task, sd, oracle = curve(name, seed, num)
        posterior, seconds = timed_fit(model, task)
        pred = posterior.predict(task["new"])
        low, high = pred.interval(0.9)
        ours.append(
            {
                "gap": -np.mean(pred.log_prob(task["y_new"])) - oracle,
                "noise_sd_rmse": np.sqrt(np.mean((pred.aleatoric**0.5 - sd) ** 2)),
                "coverage": np.mean((task["y_new"] >= low) & (task["y_new"] <= high)),
                "seconds": seconds,
            }
        )
        if peer:
            result = run_peer(peer, task, "hetgpy")
            error = np.asarray(result["noise_sd"]) - sd
            theirs.append(
                {
                    "gap": result["nlpd"] - oracle,
                    "noise_sd_rmse": np.sqrt(np.mean(error**2)),
                    "coverage": result["coverage"],
                    "seconds": result["seconds"],
                }
            )
    return {"battprob": _summary(ours), "hetgpy": _summary(theirs)}


def _summary(records):
    if not records:
        return None
    means = {k: float(np.mean([r[k] for r in records])) for k in records[0]}
    return means | {"worst_gap": float(max(r["gap"] for r in records))}


def speed(num, peer):
    """Time and log evidence of a fit with constant noise; also for scikit-learn.

    The evidence is taken at the posterior mode here and at its maximum in scikit-learn.
    """
    task = surface(num)
    posterior, seconds = timed_fit(bp.models.GaussianProcess(), task)
    ours = {"seconds": seconds, "evidence": float(posterior.log_evidence)}
    return {
        "battprob": ours,
        "sklearn": run_peer(peer, task, "sklearn") if peer else None,
    }


def many(num_sets):
    """CPU seconds of many small fits: in one call, one by one, and in scikit-learn.

    Each fit has one initial point, as in scikit-learn.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    rng = np.random.default_rng(0)
    x = rng.uniform(size=(num_sets, 100, 2))
    y = np.sin(6 * x[..., 0]) + x[..., 1] ** 2 + 0.1 * rng.normal(size=x.shape[:2])
    data = [bp.Dataset(*rows) for rows in zip(x, y, strict=True)]
    model = bp.models.GaussianProcess(inference=bp.inference.MAP(num_starts=1))
    key = jax.random.key(0)

    def theirs():
        kernel = ConstantKernel() * Matern([1.0, 1.0], nu=2.5) + WhiteKernel()
        for rows in zip(x, y, strict=True):
            GaussianProcessRegressor(kernel, normalize_y=True).fit(*rows)

    model.fit_many(data, key=key)
    model.fit(data[0], key=key)
    fits = {
        "together": lambda: model.fit_many(data, key=key),
        "one by one": lambda: [model.fit(each, key=key) for each in data],
        "sklearn": theirs,
    }
    seconds = {}
    for name, fit in fits.items():
        start = time.process_time()
        fit()
        seconds[name] = time.process_time() - start
    return seconds


def main() -> None:
    """Run all comparisons, print and write the results."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peer", help="interpreter of an environment with the peers")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--smoke", action="store_true", help="few and small data sets")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    seeds = 1 if options.smoke else options.seeds
    results = {"threads": os.environ.get("OMP_NUM_THREADS", "all")}
    for name in CURVES:
        sizes = [(200, seeds)] if options.smoke else [(200, seeds), (500, 1)]
        for num, repeats in sizes:
            label = f"{name}, n={num}"
            results[label] = accuracy(name, repeats, options.peer, num)
            print(label, json.dumps(results[label], indent=1), flush=True)
    for num in [100] if options.smoke else [100, 500, 1000, 2000]:
        label = f"constant noise, n={num}"
        results[label] = speed(num, options.peer)
        print(label, json.dumps(results[label]), flush=True)
    results["64 sets, n=100"] = many(4 if options.smoke else 64)
    print("64 sets, n=100", json.dumps(results["64 sets, n=100"]), flush=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
