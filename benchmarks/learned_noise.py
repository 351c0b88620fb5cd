"""Learned noise on further data: five features, replicates, motorcycle data, 41 cells.

    OMP_NUM_THREADS=1 python benchmarks/learned_noise.py [--data FOLDER] [--peer PYTHON]
        [--seeds 3] [--smoke] --json OUT.json

The peer hetgpy (see requirements.txt) gets the same data. FOLDER contains mcycle/mcycle.csv and
severson/severson.npz; without it only simulated data are used. "gap" and seconds are as in gp.py.
The kernel of a model called "by evidence" is that in `KERNELS` with the highest evidence of the
training rows.
"""

import json
import pathlib
import time

import jax
import numpy as np
from gp import run_peer
from scipy.stats import norm

import battprob as bp
from battprob.cli.arguments import Parser

RBF, Matern52, Linear = bp.kernels.RBF, bp.kernels.Matern52, bp.kernels.Linear
KERNELS = {
    "RBF": RBF(),
    "Matern52": Matern52(),
    "RBF + Linear": RBF() + Linear(),
    "RBF + wide RBF": RBF() + RBF(lengthscale=4.0),
    "RBF + wide RBF + Linear": RBF() + RBF(lengthscale=4.0) + Linear(),
}


def surface(seed, num=500, repeats=1):
    """Friedman's function of five features; the log noise sd is linear in two of them."""
    rng = np.random.default_rng(seed)

    def draw(x):
        mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
        mean += 10 * x[:, 3] + 5 * x[:, 4]
        sd = np.exp(-1 + 1.5 * x[:, 0] + x[:, 3])
        y = mean + sd * rng.normal(size=len(x))
        return y, -norm.logpdf(y, mean, sd)

    x = np.repeat(rng.uniform(size=(num, 5)), repeats, axis=0)
    y, _ = draw(x)
    new = rng.uniform(size=(1000, 5))
    y_new, oracle = draw(new)
    return {"x": x, "y": y, "new": new, "y_new": y_new}, oracle.mean()


def crash_test(folder, seed):
    """A random split of the motorcycle data with nine tenths for training."""
    data = np.loadtxt(folder / "mcycle" / "mcycle.csv", delimiter=",", skiprows=1)
    order = np.random.default_rng(seed).permutation(len(data))
    test, train = np.split(data[order], [round(0.1 * len(data))])
    task = {"x": train[:, :1], "y": train[:, 1]}
    return task | {"new": test[:, :1], "y_new": test[:, 1]}, 0.0


def lives(folder):
    """log10 life and the variance of ΔQ; the cell with a life of 148 is excluded."""
    pack = np.load(folder / "severson" / "severson.npz")
    charge = pack["Qdlin"][:, [98, 8]] * float(pack["scale"])
    x = np.log10(np.var(charge[:, 0] - charge[:, 1], axis=1))[:, None]
    y = np.log10(pack["cycle_life"])
    train = pack["split"] == "train"
    new = (pack["split"] == "test1") & (pack["cycle_life"] > 148)
    task = {"x": x[train], "y": y[train], "new": x[new], "y_new": y[new]}
    return task | {"cycles": True}, 0.0


def score(model, task, oracle):
    """Gap, coverage, root mean square error, and CPU seconds including compilation."""
    start = time.process_time()
    posterior = model.fit(bp.Dataset(task["x"], task["y"]), key=jax.random.key(0))
    seconds = time.process_time() - start
    pred, y = posterior.predict(task["new"]), task["y_new"]
    low, high = pred.interval(0.9)
    scores = {
        "gap": float(-np.mean(pred.log_prob(y)) - oracle),
        "coverage": float(np.mean((y >= low) & (y <= high))),
        "rmse": float(np.sqrt(np.mean((pred.mean - y) ** 2))),
        "evidence": float(posterior.log_evidence),
        "seconds": seconds,
    }
    if task.get("cycles"):
        scores["rmse_cycles"] = float(np.sqrt(np.mean((10**pred.mean - 10**y) ** 2)))
    return scores


def by_evidence(noise, task, oracle):
    """Scores with the kernel of highest evidence."""
    fits = {
        name: score(bp.models.GaussianProcess(kernel, noise), task, oracle)
        for name, kernel in KERNELS.items()
    }
    best = max(fits, key=lambda name: fits[name]["evidence"])
    return fits[best] | {"kernel": best}


def peer_score(python, task, oracle, covariance):
    """Scores of hetgpy."""
    result = run_peer(python, task, "hetgpy", covariance)
    return {
        "gap": result["nlpd"] - oracle,
        "coverage": result["coverage"],
        "seconds": result["seconds"],
    }


def table(label, records):
    """Print and return the means of the scores over tasks."""
    numbers = [k for k, v in records[0].items() if isinstance(v, int | float)]
    mean = {k: float(np.mean([r[k] for r in records])) for k in numbers}
    mean["kernels"] = [r["kernel"] for r in records if "kernel" in r]
    print(label, json.dumps(mean), flush=True)
    return {label: mean}


def main() -> None:
    """Run all models, print and write the scores."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--peer", help="interpreter of an environment with hetgpy")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="few and small data sets")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    process, noise = bp.models.GaussianProcess, bp.noise
    seeds, num = (1, 60) if options.smoke else (options.seeds, 500)
    one = [surface(seed, num) for seed in range(seeds)]
    four = [surface(seed, num, 4) for seed in range(seeds)]
    jobs = {
        "surface, LogLinear": (process(RBF(), noise.LogLinear()), one, "Gaussian"),
        "surface, LatentGP": (process(RBF(), noise.LatentGP()), one, None),
        "replicates, LatentGP": (process(RBF(), noise.LatentGP()), four, "Gaussian"),
    }
    if options.data:
        splits = 1 if options.smoke else 20
        crash = [crash_test(options.data, seed) for seed in range(splits)]
        cells = [lives(options.data)]
        latent = noise.LatentGP()
        jobs |= {
            "motorcycle, LatentGP": (process(Matern52(), latent), crash, "Matern5_2"),
            "cells, Constant": (process(), cells, None),
            "cells, LogLinear": (process(noise=noise.LogLinear()), cells, None),
            "cells, LatentGP": (process(noise=latent), cells, "Matern5_2"),
        }
    results = {}
    for label, (model, tasks, covariance) in jobs.items():
        results |= table(label, [score(model, *task) for task in tasks])
        if options.peer and covariance:
            theirs = [peer_score(options.peer, *task, covariance) for task in tasks]
            results |= table(f"{label}: hetgpy", theirs)
    chosen = [by_evidence(noise.LogLinear(), *task) for task in one]
    results |= table("surface, LogLinear, by evidence", chosen)
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
