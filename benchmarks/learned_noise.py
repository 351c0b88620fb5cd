"""Learned noise on harder data: five dimensions, replicates, a crash test, 41 cells.

    OMP_NUM_THREADS=1 python benchmarks/learned_noise.py [--data FOLDER] [--peer PYTHON]
        [--seeds 3] [--smoke] --json OUT.json

Beside it the peer hetgpy (see requirements.txt) gets the same data. FOLDER holds
mcycle/mcycle.csv and severson/severson.npz; without it the real data are left out. "gap"
and seconds as in gp.py; the kernel of a model called "by evidence" is the one of `KERNELS`
with which the evidence of its training rows is highest.
"""

import argparse
import json
import pathlib
import time

import jax
import numpy as np
from gp import ask
from scipy.stats import norm

import battprob as bp

RBF, Matern52, Linear = bp.kernels.RBF, bp.kernels.Matern52, bp.kernels.Linear
KERNELS = {
    "RBF": RBF(),
    "Matern52": Matern52(),
    "RBF + Linear": RBF() + Linear(),
    "RBF + wide RBF": RBF() + RBF(lengthscale=4.0),
    "RBF + wide RBF + Linear": RBF() + RBF(lengthscale=4.0) + Linear(),
}


def surface(seed, num=500, repeats=1):
    """Friedman's function of five features with noise that is log-linear in two."""
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
    """A split of the motorcycle data, nine tenths to train."""
    data = np.loadtxt(folder / "mcycle" / "mcycle.csv", delimiter=",", skiprows=1)
    order = np.random.default_rng(seed).permutation(len(data))
    new, old = np.split(data[order], [round(0.1 * len(data))])
    return {"x": old[:, :1], "y": old[:, 1], "new": new[:, :1], "y_new": new[:, 1]}, 0.0


def lives(folder):
    """log10 life against the variance of ΔQ; the cell that lived 148 cycles is left out."""
    pack = np.load(folder / "severson" / "severson.npz")
    charge = pack["Qdlin"][:, [98, 8]] * float(pack["scale"])
    x = np.log10(np.var(charge[:, 0] - charge[:, 1], axis=1))[:, None]
    y = np.log10(pack["cycle_life"])
    train = pack["split"] == "train"
    new = (pack["split"] == "test1") & (pack["cycle_life"] > 148)
    task = {"x": x[train], "y": y[train], "new": x[new], "y_new": y[new]}
    return task | {"cycles": True}, 0.0


def score(model, task, oracle):
    """Gap, coverage, root mean square error, and CPU seconds with compilation."""
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
    """The score with the kernel whose evidence is highest."""
    fits = {
        name: score(bp.models.GaussianProcess(kernel, noise), task, oracle)
        for name, kernel in KERNELS.items()
    }
    best = max(fits, key=lambda name: fits[name]["evidence"])
    return fits[best] | {"kernel": best}


def peer_score(python, task, oracle, covariance):
    """The same of hetgpy."""
    answer = ask(python, task, "hetgpy", covariance)
    return {
        "gap": answer["nlpd"] - oracle,
        "coverage": answer["coverage"],
        "seconds": answer["seconds"],
    }


def table(label, records):
    """Print and return means over tasks of what was scored."""
    numbers = [k for k, v in records[0].items() if isinstance(v, int | float)]
    mean = {k: float(np.mean([r[k] for r in records])) for k in numbers}
    mean["kernels"] = [r["kernel"] for r in records if "kernel" in r]
    print(label, json.dumps(mean), flush=True)
    return {label: mean}


def main() -> None:
    """Fit, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--peer", help="a Python that has hetgpy")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--smoke", action="store_true", help="small, to see that it runs"
    )
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
    answers = {}
    for label, (model, tasks, covariance) in jobs.items():
        answers |= table(label, [score(model, *task) for task in tasks])
        if options.peer and covariance:
            theirs = [peer_score(options.peer, *task, covariance) for task in tasks]
            answers |= table(f"{label}: hetgpy instead", theirs)
    chosen = [by_evidence(noise.LogLinear(), *task) for task in one]
    answers |= table("surface, LogLinear, by evidence", chosen)
    options.json.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
