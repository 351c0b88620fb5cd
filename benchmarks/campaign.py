"""Campaigns: seconds an ask, charging policies in a closed loop, and replays of real tables.

    OMP_NUM_THREADS=1 python benchmarks/campaign.py speed [--peer PYTHON] --json OUT.json
    OMP_NUM_THREADS=1 python benchmarks/campaign.py attia --data FOLDER [--seeds 100] --json OUT.json
    OMP_NUM_THREADS=1 python benchmarks/campaign.py replay --data FOLDER [--peer PYTHON] --json OUT.json

The peers (pip install optuna botorch, torch's CPU build, in an environment of their own)
get the same results told. Seconds are of the CPU, one thread. What has been computed is
kept in `results/`, a file for every task and method, so that a run goes on where it
was stopped.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np

import battprob as bp
from battprob import design
from battprob.transforms import AbstractTransform, Identity, Log

KEPT = pathlib.Path("results") / "campaign"

PEER = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
task = json.load(open(sys.argv[1]))
x, y, kind = np.array(task["x"]), np.array(task["y"]), sys.argv[2]

def botorch_ask(x, y, num):
    import torch
    from botorch.acquisition import LogExpectedImprovement, qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood
    torch.set_num_threads(1)
    X, Y = torch.tensor(x), torch.tensor(y)[:, None]
    model = SingleTaskGP(X, (Y - Y.mean()) / Y.std())
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    bounds = torch.stack([torch.zeros(x.shape[1]), torch.ones(x.shape[1])]).double()
    if num == 1:
        acq = LogExpectedImprovement(model, ((Y - Y.mean()) / Y.std()).max())
    else:
        acq = qLogNoisyExpectedImprovement(model, X, prune_baseline=True)
    return optimize_acqf(acq, bounds, q=num, num_restarts=10, raw_samples=512)[0].numpy()

def optuna_ask(x, y, num):
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=0))
    names = [f"x{j}" for j in range(x.shape[1])]
    space = {n: optuna.distributions.FloatDistribution(0, 1) for n in names}
    for row, value in zip(x, y):
        study.add_trial(optuna.trial.create_trial(
            params=dict(zip(names, map(float, row))), distributions=space, value=float(value)))
    return [[study.ask(space).params[n] for n in names] for _ in range(num)]

ask = {"botorch": botorch_ask, "optuna": optuna_ask}[kind]
ask(x[:12], y[:12], task["num"])
start = time.process_time()
answer = ask(x, y, task["num"])
seconds = time.process_time() - start
print(json.dumps({"seconds": seconds, "answer": np.asarray(answer).tolist()}))
"""


def kept(name, compute):
    """What was computed under this name before, or now."""
    path = KEPT / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())
    answer = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer))
    return answer


def ask_peer(python, task, kind):
    """What a peer answers."""
    path = KEPT / "task.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(task))
    command = [python, "-c", PEER, str(path), kind]
    out = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


# --- seconds an ask ---------------------------------------------------------------------


def surface(points):
    """A smooth function of four numbers, with a little noise."""
    x = np.array([list(point.values()) for point in points])
    noise = np.random.default_rng(len(x)).normal(size=len(x))
    return np.sin(3 * x[:, 0]) + x[:, 1] ** 2 - x[:, 2] * x[:, 3] + 0.05 * noise


SQUARE = design.Space(*[design.Real(f"x{j}", 0.0, 1.0) for j in range(4)])


def told(num, acquisition):
    """A campaign with `num` results spread over the space."""
    campaign = design.Campaign.start(
        SQUARE, acquisition=acquisition, key=jax.random.key(0), initial=2
    )
    points = SQUARE.decode(SQUARE.sample(num, key=jax.random.key(1)))
    return campaign.tell(points, surface(points))


def seconds_an_ask(num, batch, acquisition, repeats=3):
    """CPU seconds of one ask, refit included, its programs compiled."""
    campaign = told(num, acquisition)
    campaign.ask(batch)
    seconds = []
    for _ in range(repeats):
        points = SQUARE.decode(SQUARE.sample(1, key=jax.random.key(len(seconds))))
        campaign = campaign.tell(points, surface(points))
        start = time.process_time()
        campaign.ask(batch)
        seconds.append(time.process_time() - start)
    return min(seconds)


def hundred_steps():
    """CPU seconds of the first ask, and of 100 steps; traces of the largest program."""
    traces = []

    def listen(event, duration, **details):
        del duration
        if event.endswith("jaxpr_trace_duration"):
            traces.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    campaign = told(10, design.LogEI())
    seconds = []
    for _ in range(100):
        start = time.process_time()
        suggestions = campaign.ask()
        seconds.append(time.process_time() - start)
        campaign = campaign.tell(suggestions, surface(suggestions.points))
    usual = float(np.median(seconds))
    return {
        "compiling": sum(max(s - usual, 0) for s in seconds if s > 3 * usual),
        "total": sum(seconds),
        "traces": {n: traces.count(n) for n in ("_best_of_starts", "_climbs")},
    }


def speed(options):
    """Seconds an ask, ours and the peers'."""
    rows = {}
    if options.steps:
        return {"100 steps": hundred_steps()}
    for num in options.sizes:
        row = rows.setdefault(f"n = {num}", {})
        for batch in (1, 4):
            for name, acquisition in (
                ("LogEI", design.LogEI()),
                ("LogNEI", design.LogNEI()),
            ):
                row[f"{name}, q = {batch}"] = seconds_an_ask(num, batch, acquisition)
            if options.peer is None:
                continue
            points = SQUARE.decode(SQUARE.sample(num, key=jax.random.key(1)))
            task = {
                "x": [list(p.values()) for p in points],
                "y": surface(points).tolist(),
                "num": batch,
            }
            for kind in ("optuna", "botorch"):
                row[f"{kind}, q = {batch}"] = ask_peer(options.peer, task, kind)[
                    "seconds"
                ]
        print(f"n = {num}", {k: round(v, 3) for k, v in row.items()}, flush=True)
    return rows


# --- charging policies ------------------------------------------------------------------


def policies(folder):
    """The 224 policies, and two maps of their lives.

    Currents of three steps: the fourth follows, all are charged in ten minutes.
    """
    with (folder / "attia2020" / "policies.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = {name: [float(row[name]) for row in rows] for name in ("C1", "C2", "C3")}
    maps = {
        m: np.array([float(r[m]) for r in rows]) for m in ("life_sim", "life_clo_mean")
    }
    return table, maps


class Noise(NamedTuple):
    """Noise of one test of given life, and its variance as a campaign is told it."""

    sd: Callable
    transform: AbstractTransform
    variance: float


NOISE = {
    "life_sim": Noise(lambda life: 164.0 + 0 * life, Identity(), 164.0**2),
    "life_clo_mean": Noise(lambda life: 0.107 * life, Log(), 0.107**2),
}
# As by default, but the currents share a lengthscale: three of one kind, of which a few
# noisy lives say too little apart. (Chosen by seeds from 100 on, which are not reported.)
CHARGING = bp.models.GaussianProcess(
    kernel=bp.kernels.Matern52(ard=False, scale_spread=1.0),
    noise=bp.noise.Known(),
    inference=bp.inference.MAP(num_starts=2),
)
LOOPS = {
    "UCB": design.UCB(1.0),
    "Thompson": design.Thompson(),
    "LogNEI": design.LogNEI(),
}


def loop(folder, truth, channels, method, seed, rounds=4):
    """True life of the recommended policy after each round, and the longest ask."""
    table, maps = policies(folder)
    life = maps[truth]
    space = design.Space.from_candidates(table)
    place = {tuple(row): i for i, row in enumerate(space.candidate_rows.tolist())}
    rng = np.random.default_rng(seed)
    campaign = design.Campaign.start(
        space,
        acquisition=LOOPS[method],
        model=CHARGING,
        transform=NOISE[truth].transform,
        key=jax.random.key(seed),
        initial=2,
    )
    variance = np.full(channels, NOISE[truth].variance)
    found, seconds = [], []
    for _ in range(rounds):
        start = time.process_time()
        suggestions = campaign.ask(channels)
        seconds.append(time.process_time() - start)
        rows = space.encode(suggestions.points).tolist()
        true = life[[place[tuple(row)] for row in rows]]
        y = true + NOISE[truth].sd(true) * rng.normal(size=channels)
        campaign = campaign.tell(suggestions, y, noise_variance=variance)
        best = space.encode(campaign.recommend().points)[0].tolist()
        found.append(float(life[place[tuple(best)]]))
    return {"life": found, "seconds": seconds, "best": float(life.max())}


def attia(options):
    """Regret after four rounds, by truth, channels and method."""
    table = {}
    for truth in NOISE:
        for channels in options.channels:
            for method in options.methods:
                runs = [
                    kept(
                        f"attia-{truth}-{channels}-{method}-{seed}",
                        lambda: loop(options.data, truth, channels, method, seed),  # noqa: B023
                    )
                    for seed in range(options.seeds)
                ]
                life = np.array([run["life"] for run in runs])
                regret = runs[0]["best"] - life[:, -1]
                row = {
                    "regret after round 4": float(regret.mean()),
                    "standard error": float(regret.std() / len(runs) ** 0.5),
                    "life after round 1": float(life[:, 0].mean()),
                    "seconds an ask": float(
                        np.median([r["seconds"][-1] for r in runs])
                    ),
                }
                name = f"{truth}, {channels} channels, {method}"
                table[name] = row
                print(name, {k: round(v, 2) for k, v in row.items()}, flush=True)
    return table


# --- replays ----------------------------------------------------------------------------


def clio(folder):
    """Conductivity of 26 mixtures, each measured several times."""
    with (folder / "clio2022" / "live_measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("LiPF6_molality", "EC_mass_fraction", "DMC_cosolvent_ratio")
    return _grouped(rows, names, "conductivity_mS_cm")


def btz(folder):
    """Solubility in binary solvents: which two, and how much of the first."""
    with (folder / "btz_solubility" / "campaign.csv").open() as file:
        rows = list(csv.DictReader(file))
    return _grouped(rows, ("solvent1", "vol_fraction1", "solvent2"), "solubility_M")


def calisol(folder):
    """Conductivity of the largest paper, at all its temperatures."""
    with (folder / "calisol23" / "conductivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    papers = [row["doi"] for row in rows]
    largest = max(set(papers), key=papers.count)
    rows = [row for row in rows if row["doi"] == largest]
    shares = [dict(p.split("=") for p in row["solvents"].split(";")) for row in rows]
    solvents = sorted(set().union(*shares))
    rows = [
        row | {name: own.get(name, "0") for name in solvents}
        for row, own in zip(rows, shares, strict=True)
    ]
    names = [
        n
        for n in (*solvents, "concentration", "temperature_K", "salt")
        if len({row[n] for row in rows}) > 1
    ]
    return _grouped(rows[:: max(1, len(rows) // 400)], names, "conductivity_mS_cm")


def _grouped(rows, names, target):
    """Distinct points, and all measurements of each."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(_number(row[n]) for n in names), []).append(
            float(row[target])
        )
    points = [dict(zip(names, key, strict=True)) for key in groups]
    return points, list(groups.values())


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text


TABLES = {"clio2022": clio, "btz_solubility": btz, "calisol23": calisol}
REPLAY_PEERS = ("optuna_gp", "botorch_logei")
INITIAL = 5


class Table(NamedTuple):
    """A measured table to search: its space, its features in the unit cube, mean results."""

    space: design.Space
    unit: np.ndarray
    mean: np.ndarray
    measured: list


def measured_table(folder, name):
    """A table as a space whose candidates are tested once."""
    points, measured = TABLES[name](folder)
    space = design.Space.from_candidates(points, repeats=False)
    low, high = space.bounds
    unit = (space.candidate_rows - low) / np.where(high > low, high - low, 1.0)
    mean = np.array([np.mean(own) for own in measured])
    return Table(space, unit, mean, measured)


def beginning(table, seed):
    """One measurement of each row, drawn at random, and the rows tested first."""
    rng = np.random.default_rng(seed)
    y = np.array([rng.choice(own) for own in table.measured])
    first = rng.permutation(len(y))[:INITIAL].tolist()
    return {"seed": seed, "y": y.tolist(), "first": first}


def at_random(table, run, steps):
    """Rows tested in random order."""
    left = np.setdiff1d(np.arange(len(table.mean)), run["first"])
    order = np.random.default_rng(1000 + run["seed"]).permutation(left)
    return [*run["first"], *order[:steps].tolist()]


def by_suggest(table, run, steps):
    """Rows that `design.suggest` asks for."""
    rows, y, chosen = table.space.candidate_rows, np.array(run["y"]), list(run["first"])
    for step in range(steps):
        data = bp.Dataset(rows[chosen], y[chosen], feature_names=table.space.columns)
        key = jax.random.key(100 * run["seed"] + step)
        asked = design.suggest(data, table.space, key=key)
        row = table.space.encode(asked.points)[0]
        chosen.append(int(np.argmin(np.abs(rows - row).sum(1))))
    return chosen


def by_peer(python, kind, table, runs, steps):
    """Rows that a peer asks for, in all runs."""
    task = {"rows": table.unit.tolist(), "runs": runs, "steps": steps}
    script = pathlib.Path(__file__).with_name("replay_peers.py")
    command = [python, str(script), kind]
    out = subprocess.run(
        command, input=json.dumps(task), stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    return json.loads(out.splitlines()[-1])


def orders(table, method, runs, steps, peer):
    """Rows tested, in order, of every run."""
    if method in REPLAY_PEERS:
        return by_peer(peer, method, table, runs, steps)
    search = {"ours": by_suggest, "random": at_random}[method]
    return [search(table, run, steps) for run in runs]


def replays(options):
    """Regret (of the best mean among the rows tested) on every table, by method."""
    answer = {}
    for name in options.tables:
        table = measured_table(options.data, name)
        steps = min(25, len(table.mean) // 2)
        runs = [beginning(table, seed) for seed in range(options.seeds)]
        for method in ["random", "ours", *(REPLAY_PEERS if options.peer else [])]:
            chosen = kept(
                f"replay-{name}-{method}-{options.seeds}",
                lambda: orders(table, method, runs, steps, options.peer),  # noqa: B023
            )
            best = np.maximum.accumulate(table.mean[np.array(chosen)], axis=1)
            regret = table.mean.max() - best[:, INITIAL - 1 :]
            row = {
                f"after {n}": float(regret[:, n].mean()) for n in sorted({5, 10, steps})
            }
            row["mean over all tests"] = float(regret[:, 1:].mean())
            row["found the best"] = float((regret[:, -1] == 0).mean())
            answer[f"{name}, {method}"] = row
            print(name, method, {k: round(v, 4) for k, v in row.items()}, flush=True)
    return answer


def main():
    """One of the three questions, as a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "attia", "replay"])
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--data", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--methods", nargs="+", default=list(LOOPS), choices=list(LOOPS)
    )
    parser.add_argument("--channels", nargs="+", type=int, default=[48, 8])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[20, 50, 100, 200, 500])
    parser.add_argument("--steps", action="store_true", help="speed: 100 steps instead")
    parser.add_argument("--json", type=pathlib.Path, metavar="OUT.json")
    options = parser.parse_args()
    bp.enable_x64()
    jax.config.update(
        "jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR")
    )
    table = {"speed": speed, "attia": attia, "replay": replays}[options.what](options)
    if options.json is not None:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
