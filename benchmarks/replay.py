"""Optimisation over the rows of measured tables: regret of the best row tested.

    OMP_NUM_THREADS=1 python benchmarks/replay.py --data FOLDER [--peer PYTHON] --json OUT.json

With the same seed every method starts from the same five rows. The result of a test is one
measurement of the row, drawn at random from its repeated measurements. The regret is that of the
best mean among the rows tested. The peers (see requirements.txt) are in replay_peers.py. Runs that
are complete are read from `results/`.
"""

import csv
import json
import os
import pathlib
from typing import NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from cache import cached
from peer import run_peer

import battprob as bp
from battprob import design
from battprob.cli.arguments import Parser


def clio(folder):
    """Conductivity of 26 mixtures, each measured several times."""
    with (folder / "clio2022" / "live_measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("LiPF6_molality", "EC_mass_fraction", "DMC_cosolvent_ratio")
    return _grouped(rows, names, "conductivity_mS_cm")


def btz(folder):
    """Solubility in binary solvents: the two solvents and the fraction of the first."""
    with (folder / "btz_solubility" / "campaign.csv").open() as file:
        rows = list(csv.DictReader(file))
    return _grouped(rows, ("solvent1", "vol_fraction1", "solvent2"), "solubility_M")


def calisol(folder):
    """Conductivity from the paper with most rows, at all its temperatures."""
    with (folder / "calisol23" / "conductivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    papers = [row["doi"] for row in rows]
    largest = max(set(papers), key=papers.count)
    rows = [row for row in rows if row["doi"] == largest]
    fractions = [dict(p.split("=") for p in row["solvents"].split(";")) for row in rows]
    solvents = sorted(set().union(*fractions))
    rows = [
        row | {name: fraction.get(name, "0") for name in solvents}
        for row, fraction in zip(rows, fractions, strict=True)
    ]
    names = [
        n
        for n in (*solvents, "concentration", "temperature_K", "salt")
        if len({row[n] for row in rows}) > 1
    ]
    return _grouped(rows[:: max(1, len(rows) // 400)], names, "conductivity_mS_cm")


def _grouped(rows, names, target):
    """Distinct points and the measurements at each."""
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
    """A measured table: space, features in the unit cube, mean results, measurements."""

    space: design.Space
    unit: np.ndarray
    mean: np.ndarray
    measured: list


def measured_table(folder, name):
    """A table as a space of candidates, each tested at most once."""
    points, measured = TABLES[name](folder)
    space = design.Space.from_candidates(points, repeats=False)
    low, high = space.bounds
    unit = (space.candidate_rows - low) / np.where(high > low, high - low, 1.0)
    mean = np.array([np.mean(values) for values in measured])
    return Table(space, unit, mean, measured)


def initial_run(table, seed):
    """One measurement of each row, drawn at random, and the initial rows."""
    rng = np.random.default_rng(seed)
    y = np.array([rng.choice(values) for values in table.measured])
    first = rng.permutation(len(y))[:INITIAL].tolist()
    return {"seed": seed, "y": y.tolist(), "first": first}


def at_random(table, run, steps):
    """Rows tested in random order."""
    remaining = np.setdiff1d(np.arange(len(table.mean)), run["first"])
    order = np.random.default_rng(1000 + run["seed"]).permutation(remaining)
    return [*run["first"], *order[:steps].tolist()]


def by_suggest(table, run, steps):
    """Rows suggested by `design.suggest`."""
    rows, y, chosen = table.space.candidate_rows, np.array(run["y"]), list(run["first"])
    for step in range(steps):
        data = bp.Dataset(rows[chosen], y[chosen], feature_names=table.space.columns)
        key = jax.random.key(100 * run["seed"] + step)
        suggested = design.suggest(data, table.space, key=key)
        row = table.space.encode(suggested.points)[0]
        chosen.append(int(np.argmin(np.abs(rows - row).sum(1))))
    return chosen


def by_peer(python, kind, table, runs, steps):
    """Rows suggested by a peer in all runs."""
    task = {"rows": table.unit.tolist(), "runs": runs, "steps": steps}
    return run_peer(python, "replay_peers.py", kind, task)


def orders(table, method, runs, steps, peer):
    """Rows tested in every run, in order."""
    if method in REPLAY_PEERS:
        return by_peer(peer, method, table, runs, steps)
    search = {"ours": by_suggest, "random": at_random}[method]
    return [search(table, run, steps) for run in runs]


def replays(options):
    """Regret of the best mean among the rows tested, by table and method."""
    results = {}
    for name in options.tables:
        table = measured_table(options.data, name)
        steps = min(25, len(table.mean) // 2)
        runs = [initial_run(table, seed) for seed in range(options.seeds)]
        for method in ["random", "ours", *(REPLAY_PEERS if options.peer else [])]:
            chosen = cached(
                f"replay/{name}-{method}-{options.seeds}",
                lambda: orders(table, method, runs, steps, options.peer),  # noqa: B023
            )
            best = np.maximum.accumulate(table.mean[np.array(chosen)], axis=1)
            regret = table.mean.max() - best[:, INITIAL - 1 :]
            row = {
                f"after {n}": float(regret[:, n].mean()) for n in sorted({5, 10, steps})
            }
            row["mean over all tests"] = float(regret[:, 1:].mean())
            row["found the best"] = float((regret[:, -1] == 0).mean())
            results[f"{name}, {method}"] = row
            print(name, method, {k: round(v, 4) for k, v in row.items()}, flush=True)
    return results


def main():
    """Run all tables and methods, print and write the regrets."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with the peers")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    bp.enable_x64()
    options.json.write_text(json.dumps(replays(options), indent=1) + "\n")


if __name__ == "__main__":
    main()
