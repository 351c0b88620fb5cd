"""Classification of short and long lives, and the time of a fit compared with scikit-learn.

    OMP_NUM_THREADS=1 python benchmarks/classify.py [--pack PACK.npz] [--seeds 10] --json OUT.json

The first part uses the pack of Severson et al. (2019): the 41 training cells for training, test1
without the cell of 148 cycles for testing; "short" is a life below 550 cycles, predicted from 5 or
100 cycles. Columns and model are chosen by cross-validation over charging policies on the training
cells. A random forest gets the same columns. The second part fits a Gaussian process classifier to
1000 rows here and with scikit-learn; times are CPU seconds without compilation.
"""

import json
import os
import pathlib
import time
import warnings
from typing import Any

import jax
import numpy as np
from sklearn import gaussian_process as sk
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

import battprob as bp
from battprob.cli.arguments import Parser

SPECIFICATION = 550  # cycles
EXCLUDED_LIFE = 148  # cycles, of a test cell that several papers exclude

POLICY = ("C1", "Q1_percent", "C2", "charge_time_0_80_min")
COLUMNS = {
    5: {
        "policy": POLICY,
        "policy, variance": (*POLICY, "logvar_5_2"),
        "policy, variances": (*POLICY, "logvar_5_4", "logvar_5_2"),
        "variances": ("logvar_5_4", "logvar_5_2"),
    },
    100: {
        "variance": ("logvar",),
        "curves": ("logvar", "logmin", "capacity", "fade"),
        "curves, policy": ("logvar", "logmin", "capacity", "fade", *POLICY),
    },
}
DRAWS = bp.inference.Laplace(num_draws=200)
MODELS = {
    "logistic": bp.models.BayesianLogistic(inference=DRAWS),
    "gp": bp.models.GaussianProcessClassifier(),
    "gp, linear": bp.models.GaussianProcessClassifier(
        bp.kernels.Linear() + bp.kernels.Matern32()
    ),
}


def features(pack, last):
    """Features from the first `last` cycles; Q(V) begins at cycle 2."""
    q = pack["Qdlin"] * float(pack["scale"])
    row = {int(cycle): index for index, cycle in enumerate(pack["cycles"])}

    def log_variance(late, early):
        return np.log10(np.var(q[:, row[late]] - q[:, row[early]], axis=1))

    columns = {name: pack[name] for name in POLICY}
    if last == 5:
        return columns | {
            "logvar_5_4": log_variance(5, 4),
            "logvar_5_2": log_variance(5, 2),
        }
    capacity = q.max(axis=2)
    return columns | {
        "logvar": log_variance(100, 10),
        "logmin": np.log10(np.abs((q[:, row[100]] - q[:, row[10]]).min(axis=1))),
        "capacity": capacity[:, row[100]],
        "fade": capacity[:, row[100]] - capacity[:, row[2]],
    }


def early(pack, last):
    """Choose columns and model on the training cells, then score on the test cells."""
    columns_of_pack, life = features(pack, last), pack["cycle_life"]
    train = pack["split"] == "train"
    test = (pack["split"] == "test1") & (life != EXCLUDED_LIFE)
    short, policy = life < SPECIFICATION, pack["policy"]

    def rows(columns, chosen):
        x = np.stack([columns_of_pack[name] for name in columns], axis=1)[chosen]
        return bp.Dataset(
            x, short[chosen], feature_names=columns, groups=policy[chosen]
        )

    losses = {}
    for title, columns in COLUMNS[last].items():
        for name, model in MODELS.items():
            folds = bp.evaluate.cross_validate(
                model,
                rows(columns, train),
                splits=GroupKFold(6),
                key=jax.random.key(0),
                progress=False,
            )
            losses[title, name] = folds.scores["log_loss"]
            print(f"{last} cycles, {title}: {name} {losses[title, name]:.3f}")
    title, name = min(losses, key=lambda choice: losses[choice])
    columns = COLUMNS[last][title]
    data, new = rows(columns, train), rows(columns, test)
    posterior = MODELS[name].fit(data.without("groups"), key=jax.random.key(0))
    forest = RandomForestClassifier(500, random_state=0).fit(data.x, data.y)
    trees = bp.ClassPredictive(forest.predict_proba(new.x)[None, :, 1])
    results = {"chosen": [title, name], "cross-validated log loss": losses[title, name]}
    for label, pred in ((name, posterior.predict(new.x)), ("random forest", trees)):
        scores = bp.evaluate.summary(pred, new.y)
        print(f"\n{last} cycles, {title}: {label}\n{scores}", flush=True)
        results[label] = {"scores": scores.to_dict(), "errors": scores.errors}
    return results


def outcomes(seed, num=1000, num_new=2000, features=8):
    """Simulated outcomes: five of eight features matter, two of them as a product."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num + num_new, features))
    odds = 1.2 * x[:, 0] + 0.8 * x[:, 1] + 1.5 * np.sin(1.5 * x[:, 2]) - 1
    odds += 0.7 * x[:, 3] * x[:, 4]
    y = rng.uniform(size=len(x)) < 1 / (1 + np.exp(-odds))
    return x[:num], y[:num], x[num:], y[num:]


def timed(work):
    """Result of `work()` and its CPU seconds."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def against_scikit_learn(seed, num):
    """Time and log loss of both libraries with the same kernel (one length a feature)."""
    x, y, new, y_new = outcomes(seed, num)
    data, model = bp.Dataset(x, y), bp.models.GaussianProcessClassifier()

    def ours():
        return jax.block_until_ready(model.fit(data, key=jax.random.key(seed)).alpha)

    def theirs():
        length = np.ones(x.shape[1])
        kernel = ConstantKernel() * Matern(length, (1e-3, 1e3), nu=2.5)
        return sk.GaussianProcessClassifier(kernel).fit(z, y)

    posterior = model.fit(data, key=jax.random.key(seed))  # compiles
    _, seconds = timed(ours)
    z, z_new = ((part - x.mean(0)) / x.std(0) for part in (x, new))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # lengths at their bound
        peer, peer_seconds = timed(theirs)
    loss = log_loss(y_new, posterior.predict(new).mean)
    peer_loss = log_loss(y_new, peer.predict_proba(z_new)[:, 1])
    return {
        "seconds": seconds,
        "seconds of scikit-learn": peer_seconds,
        "times faster": peer_seconds / seconds,
        "log loss": float(loss),
        "log loss of scikit-learn": float(peer_loss),
    }


def main() -> None:
    """Run both parts, print and write the results."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pack", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    results: dict[str, Any] = {"threads": os.environ.get("OMP_NUM_THREADS", "all")}
    if options.pack:
        pack = dict(np.load(options.pack))
        for last in COLUMNS:
            results[f"{last} cycles"] = early(pack, last)
    runs = []
    for seed in range(options.seeds):
        runs.append(against_scikit_learn(seed, options.rows))
        print(f"seed {seed}", json.dumps(runs[-1]), flush=True)
    if runs:
        means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        print("mean", json.dumps(means))
        results[f"n = {options.rows}"] = {"mean": means, "by seed": runs}
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
