"""Gaussian processes with noise that varies: how near the truth, and how long a fit takes.

    OMP_NUM_THREADS=1 python benchmarks/gp.py [--peer PYTHON] [--seeds 10] [--smoke] --json OUT.json

The peers (pip install scikit-learn==1.9.1 hetgpy==1.0.6 in an environment of their own)
get the same data. "gap" is the mean negative log density over test points less that of
the density that made the data; seconds are of the CPU, one thread, compilation apart.
"""

import argparse
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
    answer = {"evidence": evidence, "seconds": time.process_time() - start}
else:
    model = hetGP()
    model.mle(X=x, Z=y, covtype=sys.argv[3])
    seconds = time.process_time() - start
    pred = model.predict(new)
    sd = np.sqrt(pred["sd2"] + pred["nugs"])
    answer = {
        "seconds": seconds,
        "nlpd": -norm.logpdf(y_new, pred["mean"], sd).mean(),
        "coverage": np.mean(np.abs(y_new - pred["mean"]) < 1.6449 * sd),
        "noise_sd": np.sqrt(pred["nugs"]).tolist(),
    }
print(json.dumps(answer))
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
    """Training and test data, and the true standard deviations at the latter."""
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
    """A smooth function of five features under equal noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(num, 5))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4] + rng.normal(size=num)
    return {"x": x, "y": y, "new": x[:2], "y_new": y[:2]}


def ask(python, task, which, covariance="Gaussian"):
    """What a peer answers; hetgpy with a covariance of its own naming."""
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
    """A posterior, and the CPU seconds of a fit that finds its program compiled."""
    data = bp.Dataset(task["x"], task["y"])
    model.fit(data, key=jax.random.key(0))
    start = time.process_time()
    posterior = model.fit(data, key=jax.random.key(0))
    return posterior, time.process_time() - start


def accuracy(name, seeds, peer, num=200):
    """Gap, error of the noise, coverage and seconds over seeds: ours, then hetgpy's."""
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
            answer = ask(peer, task, "hetgpy")
            error = np.asarray(answer["noise_sd"]) - sd
            theirs.append(
                {
                    "gap": answer["nlpd"] - oracle,
                    "noise_sd_rmse": np.sqrt(np.mean(error**2)),
                    "coverage": answer["coverage"],
                    "seconds": answer["seconds"],
                }
            )
    return {"battprob": _summary(ours), "hetgpy": _summary(theirs)}


def _summary(records):
    if not records:
        return None
    means = {k: float(np.mean([r[k] for r in records])) for k in records[0]}
    return means | {"worst_gap": float(max(r["gap"] for r in records))}


def speed(num, peer):
    """Seconds and evidence of a fit with equal noise: ours, then scikit-learn's.

    Ours is the evidence at the mode with the priors, theirs its maximum.
    """
    task = surface(num)
    posterior, seconds = timed_fit(bp.models.GaussianProcess(), task)
    ours = {"seconds": seconds, "evidence": float(posterior.log_evidence)}
    return {
        "battprob": ours,
        "sklearn": ask(peer, task, "sklearn") if peer else None,
    }


def many(num_sets):
    """CPU seconds of small fits: together, one by one, and scikit-learn's one by one.

    One start each, as scikit-learn does it.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    rng = np.random.default_rng(0)
    x = rng.uniform(size=(num_sets, 100, 2))
    y = np.sin(6 * x[..., 0]) + x[..., 1] ** 2 + 0.1 * rng.normal(size=x.shape[:2])
    data = [bp.Dataset(*own) for own in zip(x, y, strict=True)]
    model = bp.models.GaussianProcess(inference=bp.inference.MAP(num_starts=1))
    key = jax.random.key(0)

    def theirs():
        kernel = ConstantKernel() * Matern([1.0, 1.0], nu=2.5) + WhiteKernel()
        for own in zip(x, y, strict=True):
            GaussianProcessRegressor(kernel, normalize_y=True).fit(*own)

    model.fit_many(data, key=key)
    model.fit(data[0], key=key)
    ways = {
        "together": lambda: model.fit_many(data, key=key),
        "one by one": lambda: [model.fit(own, key=key) for own in data],
        "sklearn": theirs,
    }
    seconds = {}
    for name, fit in ways.items():
        start = time.process_time()
        fit()
        seconds[name] = time.process_time() - start
    return seconds


def main() -> None:
    """Fit, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peer", help="a Python that has the peers")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--smoke", action="store_true", help="small, to see that it runs"
    )
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    seeds = 1 if options.smoke else options.seeds
    answers = {"threads": os.environ.get("OMP_NUM_THREADS", "all")}
    for name in CURVES:
        sizes = [(200, seeds)] if options.smoke else [(200, seeds), (500, 1)]
        for num, repeats in sizes:
            label = f"{name}, n={num}"
            answers[label] = accuracy(name, repeats, options.peer, num)
            print(label, json.dumps(answers[label], indent=1), flush=True)
    for num in [100] if options.smoke else [100, 500, 1000, 2000]:
        label = f"equal noise, n={num}"
        answers[label] = speed(num, options.peer)
        print(label, json.dumps(answers[label]), flush=True)
    answers["64 sets, n=100"] = many(4 if options.smoke else 64)
    print("64 sets, n=100", json.dumps(answers["64 sets, n=100"]), flush=True)
    options.json.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
