"""Closed-loop optimisation of charging policies with early predictions of life.

    OMP_NUM_THREADS=1 python benchmarks/charging.py --data FOLDER [--seeds 100]
        [--channels 48 8] [--methods Thompson ...] --json OUT.json

As in Attia et al. (Nature 578 (2020) 397, doi:10.1038/s41586-020-1994-5): 224 policies and
four rounds. Every test stops early, and its result is a prediction of its life with a standard
deviation of 164 cycles (or of 10.7 %). The regret, in cycles, is that of the policy with the best
posterior mean; the map of lives in the data is taken as the truth. CPU seconds are for one
thread. Runs that are complete are read from `results/`.
"""

import csv
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from cache import cached

import battprob as bp
from battprob import design
from battprob.cli.arguments import Parser
from battprob.transforms import AbstractTransform, Identity, Log

ROUNDS = 4


def policies(folder):
    """The 224 policies (currents of their four steps) and two maps of their lives."""
    with (folder / "attia2020" / "policies.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = {n: [float(row[n]) for row in rows] for n in ("C1", "C2", "C3", "C4")}
    maps = {n: np.array([float(row[n]) for row in rows]) for n in LIFE_MODELS}
    return table, maps


class LifeModel(NamedTuple):
    """Errors of early predictions: sd in cycles, and variance on the transformed scale."""

    sd: Callable
    transform: AbstractTransform
    variance: float


LIFE_MODELS = {
    "life_sim": LifeModel(lambda life: 164.0 + 0 * life, Identity(), 164.0**2),
    "life_clo_mean": LifeModel(lambda life: 0.107 * life, Log(), 0.107**2),
}
# The default model, except that the four currents share a lengthscale: they are of the same
# kind, and a few noisy lives cannot identify separate lengthscales. (Chosen with seeds from
# 100 on, which are not reported.)
CHARGING = bp.models.GaussianProcess(
    kernel=bp.kernels.Matern52(ard=False, log_variance_prior_std=1.0)
    + bp.kernels.ConstantMean(),
    noise=bp.noise.Known(),
    inference=bp.inference.MAP(num_starts=2),
)
METHODS = {
    "Thompson": design.Thompson(),
    "LogNEI": design.LogNEI(),
    "UCB": design.UCB(1.0),
}


def early_prediction(model, life, rng):
    """Simulated early predictions for tests with these true lives."""
    y = life + model.sd(life) * rng.normal(size=len(life))
    location = np.asarray(model.transform.inverse(y))
    variance = np.full(len(y), model.variance)
    return bp.Predictive.gaussian(location, variance, transform=model.transform)


def loop(folder, truth, channels, method, seed):
    """True life of the recommended policy and CPU seconds of `ask`, for each round."""
    table, maps = policies(folder)
    life, model = maps[truth], LIFE_MODELS[truth]
    space = design.Space.from_candidates(table)
    index = {tuple(row): i for i, row in enumerate(space.candidate_rows.tolist())}

    def true_lives(suggestions):
        rows = space.encode(suggestions.points).tolist()
        return life[[index[tuple(row)] for row in rows]]

    campaign = design.Campaign.start(
        space,
        acquisition=METHODS[method],
        model=CHARGING,
        transform=model.transform,
        key=jax.random.key(seed),
        initial=2,
    )
    rng = np.random.default_rng(seed)
    lives, seconds = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        suggestions = campaign.ask(channels)
        seconds.append(time.process_time() - start)
        early = early_prediction(model, true_lives(suggestions), rng)
        campaign = campaign.tell_early(suggestions, early)
        lives.append(float(true_lives(campaign.recommend())[0]))
    return {"life": lives, "seconds": seconds, "best": float(life.max())}


def row_of(runs):
    """Means over the seeds with their standard errors."""
    life = np.array([run["life"] for run in runs])
    regret = runs[0]["best"] - life[:, -1]
    root = len(runs) ** 0.5
    return {
        "regret": float(regret.mean()),
        "regret_se": float(regret.std() / root),
        "life_round_1": float(life[:, 0].mean()),
        "life_round_1_se": float(life[:, 0].std() / root),
        "seconds_a_batch": float(np.median([run["seconds"][-1] for run in runs])),
    }


def main():
    """Run every map, number of channels and method; print and write the scores."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--channels", nargs="+", type=int, default=[48, 8])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--json", type=pathlib.Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    bp.enable_x64()
    table = {}
    for truth in LIFE_MODELS:
        for channels in options.channels:
            for method in options.methods:
                case = (truth, channels, method)
                name = "-".join(map(str, case))
                runs = [
                    cached(f"charging/{name}-{s}", lambda: loop(options.data, *case, s))  # noqa: B023
                    for s in range(options.seeds)
                ]
                table[name] = row_of(runs)
                print(
                    f"{truth:15s}{channels:3d} channels, {method:9s}"
                    "regret {regret:5.1f} +- {regret_se:3.1f}, after round one "
                    "{life_round_1:.0f} +- {life_round_1_se:.0f}, "
                    "{seconds_a_batch:.2f} s per batch".format(**table[name]),
                    flush=True,
                )
    options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
