"""Latent protocols in real data: variance between protocols, clusters and new protocols.

    python benchmarks/mixture_real.py --data FOLDER --json OUT.json

XJTU and TJU have capacities of cells under several protocols. The target is the record at which a
cell has 90 % (XJTU) or 95 % (TJU) of its first capacity, on a log scale; the features are three
numbers from its first 40 (16) records; the protocol is not given to the models. Then each protocol
is left out in turn, and the mixture, a Gaussian process and ridge regression predict its cells.
Severson: an out-of-distribution detector is fitted to the training cells and applied to the primary
test cells, to other batches and to other data sets.
"""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

import battprob as bp
from battprob.cli import life
from battprob.cli.arguments import Parser
from battprob.models.base import AbstractModel

NAMES = ["first_capacity_ah", "fade_per_record", "curvature"]
SETS: dict[str, tuple[list[str], float, int]] = {
    "xjtu": (["protocol"], 0.90, 40),
    "tju": (["chemistry", "temperature_C", "charge_C_rate"], 0.95, 16),
}


def read(folder: Path, name: str):
    """Features, record of end of life and protocol of every cell that reached it."""
    keys, retention, early = SETS[name]
    frame: Any = pd.read_csv(folder / name / "capacity.csv")
    rows = []
    for _, cell in frame.groupby("cell"):
        record, capacity = (
            cell[column].to_numpy(float) for column in ("record", "capacity_Ah")
        )
        smooth = pd.Series(capacity).rolling(5, min_periods=1, center=True).median()
        first = np.median(capacity[record <= 6])
        below = (smooth < retention * first) & (record > early)
        if not below.any():
            continue
        used = record <= early
        curve = np.polyfit(record[used] / early, capacity[used] / first, 2)
        protocol = "/".join(str(cell[key].iloc[0]) for key in keys)
        rows.append((first, curve[1], curve[0], record[below.argmax()], protocol))
    *x, y, protocol = zip(*rows, strict=True)
    return np.stack(x, 1), np.array(y), np.array(protocol)


def models() -> dict[str, AbstractModel]:
    """The models; only the mixture has protocols."""
    linear = bp.models.BayesianLinear()
    return {
        "mixture": bp.models.ProtocolMixture(
            linear, "auto", shared=True, progress=False
        ),
        "gp": bp.models.GaussianProcess(),
        "ridge": linear,
    }


def hidden(x, y, protocol) -> dict[str, Any]:
    """Clusters and parts of the variance with unknown and with known protocols."""
    data = bp.Dataset(x, y, feature_names=NAMES, transform=bp.transforms.Log())
    posterior = models()["mixture"].fit(data, key=jax.random.key(0))
    pred = bp.evaluate.recalibrate.without_transform(posterior.predict(x))
    assigned = np.asarray(posterior.responsibilities(x, y)).argmax(1)
    known = bp.models.ProtocolMixture(
        bp.models.BayesianLinear(), len(set(protocol)), shared=True
    )
    codes = np.unique(protocol, return_inverse=True)[1]
    labelled = bp.Dataset(
        x, y, feature_names=NAMES, protocol=codes, transform=bp.transforms.Log()
    )
    labelled_pred = bp.evaluate.recalibrate.without_transform(
        known.fit(labelled, key=jax.random.key(0)).predict(x)
    )
    parts = ("within", "between", "epistemic")
    return {
        "cells": len(y),
        "protocols": len(set(protocol)),
        "found": posterior.num_protocols,
        "number": posterior.number_probabilities.round(3).tolist(),
        "rand_index": float(adjusted_rand_score(protocol, assigned)),
        "hidden": {part: float(getattr(pred, part).mean()) for part in parts},
        "known": {part: float(getattr(labelled_pred, part).mean()) for part in parts},
        "report": posterior.report.message,
    }


def left_out(x, y, protocol) -> dict[str, dict[str, float]]:
    """Mean scores of cells whose protocol was left out of training."""
    scores: dict[str, list[np.ndarray]] = {}
    codes = np.unique(protocol, return_inverse=True)[1]
    for code in np.unique(codes):
        inside = codes != code
        for name, model in models().items():
            data = bp.Dataset(
                x[inside],
                y[inside],
                feature_names=NAMES,
                transform=bp.transforms.Log(),
            )
            posterior = model.fit(data, key=jax.random.key(int(code)))
            new: dict[str, Any] = {"protocol": "new"} if name == "mixture" else {}
            predictions = {name: posterior.predict(x[~inside], **new)}
            if name == "mixture":
                predictions["mixture, protocols of training"] = posterior.predict(
                    x[~inside]
                )
            for label, pred in predictions.items():
                low, high = pred.interval(0.9)
                target = y[~inside]
                row = [
                    (target >= low) & (target <= high),
                    pred.log_prob(target),
                    np.log(high / low),
                ]
                scores.setdefault(label, []).append(np.asarray(row, float))
    names = ("coverage", "log_density", "log_width")
    return {
        label: dict(zip(names, np.concatenate(rows, 1).mean(1).tolist(), strict=True))
        for label, rows in scores.items()
    }


def severson(folder: Path) -> dict[str, float]:
    """Fraction of cells flagged: test cells, shifted test cells, and other batches."""
    cells = bp.data.read_pack(folder / "severson" / "severson.npz")
    train, test = (
        life.from_cells(split, [cell for cell in cells if cell.split == split])
        for split in ("train", "test1")
    )
    x, y = train.table.x, train.life
    data = bp.Dataset(
        x, y, feature_names=train.table.names, transform=bp.transforms.Log()
    )
    model = bp.models.GaussianProcess(bp.kernels.Linear() + bp.kernels.Matern12())
    detector = bp.evaluate.OutOfDistribution().fit(
        model, data, key=jax.random.key(0), progress=False
    )
    flagged = {"test1": detector.check(test.table.x).flagged.mean()}
    sd = x.std(0)
    for size in (1.0, 2.0, 3.0):
        shifted = test.table.x + size * sd * np.array([1, -1, 1, -1, 1])
        flagged[f"test1, every feature shifted by {size:.0f} sd"] = detector.check(
            shifted
        ).flagged.mean()
    batches = np.array(train.table.groups)
    for batch in sorted(set(batches)):
        inside = batches == batch
        if not 19 <= inside.sum() < len(inside):
            continue
        of_batch = bp.evaluate.OutOfDistribution().fit(
            model,
            data.take(np.flatnonzero(inside)),
            key=jax.random.key(0),
            progress=False,
        )
        flagged[f"train without batch {batch}: the other batch"] = of_batch.check(
            x[~inside]
        ).flagged.mean()
    return {name: float(fraction) for name, fraction in flagged.items()}


def fade_shape(record, capacity, early=100.0) -> tuple[float, float, float]:
    """Slope, curvature and log residual sd of the relative capacity in early records."""
    used = record <= early
    record, capacity = record[used], capacity[used]
    relative = capacity / np.median(capacity[: max(3, len(capacity) // 20)])
    curve = np.polyfit(record / early, relative, 2)
    scatter = np.std(relative - np.polyval(curve, record / early))
    return curve[1], curve[0], np.log(scatter)


def flags_between_sets(folder: Path) -> dict[str, float]:
    """Fraction of cells of other data sets flagged by a detector of Severson's cells."""
    pack = np.load(folder / "severson" / "severson.npz")
    table = np.load(folder / "severson" / "capacity.npz")
    capacity = table["capacity"] * float(table["scale"])
    rows, split = [], pack["split"][table["row"]]
    for cycle, values in zip(table["cycle"], capacity, strict=True):
        known = values > 0
        rows.append(fade_shape(cycle[known].astype(float), values[known]))
    x, y = np.array(rows), np.log(pack["cycle_life"][table["row"]])
    train = split == "train"
    detector = bp.evaluate.OutOfDistribution().fit(
        bp.models.BayesianLinear(),
        bp.Dataset(x[train], y[train], feature_names=["slope", "curvature", "scatter"]),
        key=jax.random.key(0),
        progress=False,
    )
    flagged = {"test1": float(detector.check(x[split == "test1"]).flagged.mean())}
    for name, column in (("sunwoda2024", "cycle"), ("xjtu", "record")):
        frame: Any = pd.read_csv(folder / name / "capacity.csv")
        other = [
            fade_shape(
                cell[column].to_numpy(float), cell["capacity_Ah"].to_numpy(float)
            )
            for _, cell in frame.groupby("cell")
        ]
        flagged[name] = float(detector.check(np.array(other)).flagged.mean())
    return flagged


def flags_between_protocols(x, y, protocol) -> dict[str, float]:
    """Fraction of cells flagged by a detector of the cells of the largest protocol."""
    names, counts = np.unique(protocol, return_counts=True)
    inside = protocol == names[counts.argmax()]
    if inside.sum() < 19:
        return {}
    data = bp.Dataset(
        x[inside], y[inside], feature_names=NAMES, transform=bp.transforms.Log()
    )
    detector = bp.evaluate.OutOfDistribution().fit(
        bp.models.BayesianLinear(), data, key=jax.random.key(0), progress=False
    )
    return {
        str(name): float(detector.check(x[protocol == name]).flagged.mean())
        for name in names
        if name != names[counts.argmax()]
    }


def main() -> None:
    """Run all data sets, print and write the results."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    results: dict[str, Any] = {}
    for name in SETS:
        table = read(options.data, name)
        results[name] = {
            "hidden": hidden(*table),
            "left_out": left_out(*table),
            "flagged_by_largest": flags_between_protocols(*table),
        }
        print(name, json.dumps(results[name], indent=1), flush=True)
    results["severson"] = severson(options.data)
    results["other sets"] = flags_between_sets(options.data)
    for name in ("severson", "other sets"):
        print("flagged", json.dumps(results[name], indent=1))
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
