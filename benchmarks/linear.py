"""Bayesian linear models: stopped tests, batches, curves and sparse effects, with peers.

    OMP_NUM_THREADS=1 python benchmarks/linear.py [--pack PACK.npz] [--peer PYTHON]
        [--only censored batches curve sparse] --json OUT.json

The interpreter of the peer has lifelines (benchmarks/requirements.txt). `linear_speed.py` measures
the time of fits.
"""

import json
import pathlib
import subprocess
import tempfile
import time

import jax
import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LassoCV
from sklearn.model_selection import KFold, LeaveOneGroupOut, cross_val_predict

import battprob as bp
from battprob.cli.arguments import Parser

AFT = """
import json, sys, warnings
import numpy as np, pandas as pd
from lifelines import LogNormalAFTFitter
warnings.simplefilter("ignore")
task = np.load(sys.argv[1])
frame = pd.DataFrame({"x": task["x"], "life": task["life"], "event": task["event"]})
model = LogNormalAFTFitter().fit(frame, "life", "event")
new = pd.DataFrame({"x": task["new"]})
quantile = [np.asarray(model.predict_percentile(new, p=p)) for p in (0.95, 0.5, 0.05)]
print(json.dumps([q.ravel().tolist() for q in quantile]))
"""
KEY = jax.random.key(0)


def cells_of(pack):
    """Lives, splits, batches, early-life features and ΔQ(V) curves of a pack."""
    cells = [bp.data.despike(cell)[0] for cell in bp.data.read_pack(pack)]
    curve = np.stack([cell.curve_ah(100) - cell.curve_ah(10) for cell in cells])
    table = bp.features.early_life(cells)
    return {
        "life": np.array([cell.cycle_life for cell in cells]),
        "split": np.array([cell.split for cell in cells]),
        "batch": np.array([cell.batch for cell in cells]),
        "table": np.asarray(table.x),
        "names": list(table.names),
        "curve": curve,
    }


def score(low, median, high, y):
    """RMSE of the median, and coverage and mean width of the 90 % interval."""
    low, median, high = (np.asarray(a) for a in (low, median, high))
    return {
        "rmse": float(np.sqrt(np.mean((median - y) ** 2))),
        "coverage": float(np.mean((low <= y) & (y <= high))),
        "width": float(np.mean(high - low)),
    }


def score_of(pred, y):
    """As `score`, with the RMSE of the mean and the negative log density."""
    quantile = pred.quantile(np.array([0.05, 0.5, 0.95]))
    return score(*quantile, y) | {
        "rmse_mean": float(np.sqrt(np.mean((np.asarray(pred.mean) - y) ** 2))),
        "nlpd": float(-np.mean(np.asarray(pred.log_prob(y)))),
    }


def peer_result(python, script, **arrays):
    """JSON that `script` prints in the interpreter of the peer."""
    with tempfile.TemporaryDirectory() as folder:
        task = pathlib.Path(folder) / "task.npz"
        np.savez(task, **arrays)
        command = [python, "-c", script, str(task)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def censored(options):
    """Severson: tests stopped at 700 or 500 cycles; one feature, log10 variance of ΔQ."""
    cells = cells_of(options.pack)
    column = cells["names"].index("delta_q_log10_variance")
    x, life, batch = cells["table"][:, [column]], cells["life"], cells["batch"]
    train, test = cells["split"] == "train", cells["split"] == "test1"
    results = {}
    for stop in (700, 500):
        running, observed = life > stop, np.minimum(life, stop)
        ended, late = train & ~running, np.where(running, stop + 1.0, life)
        exact = fit_lives(x, observed, train, flags=running)
        mixed = fit_lives(x, observed, train, flags=running, batch=batch)
        predictives = {
            "exact": exact.predict(x[test]),
            "exact, batches known": mixed.predict(x[test], groups=batch[test]),
            "exact, batches new": mixed.predict(x[test]),
            "dropped": fit_lives(x, life, ended).predict(x[test]),
            "last cycle + 1": fit_lives(x, late, train).predict(x[test]),
        }
        scores = {
            name: score_of(pred, life[test]) for name, pred in predictives.items()
        }
        scores |= {"events": int(ended.sum()), "report": exact.report.message}
        if options.peer:
            arrays = {
                "x": x[train, 0],
                "life": observed[train],
                "event": ~running[train],
            }
            quantile = peer_result(options.peer, AFT, **arrays, new=x[test, 0])
            scores["lifelines log-normal AFT"] = score(*quantile, life[test])
        results[f"stopped at {stop}"] = scores
    return results


def fit_lives(x, life, rows, flags=None, batch=None):
    """Fitted model of log life, with flagged lives as lower bounds and batch effects."""
    data = bp.Dataset(
        x[rows],
        life[rows],
        transform=bp.transforms.Log(),
        censored=None if flags is None else flags[rows],
        groups=None if batch is None else batch[rows],
    )
    model = bp.models.BayesianLinear(random_effects=batch is not None)
    return model.fit(data, key=KEY)


def batches(options):
    """Severson, train and test1: random folds, and folds that leave out a batch."""
    cells = cells_of(options.pack)
    keep = cells["life"] > 200
    names = ["delta_q_log10_variance", "delta_q_log10_minimum", "first_capacity"]
    names += ["capacity_rise", "fade_slope"]
    columns = [cells["names"].index(name) for name in names]
    data = bp.Dataset(
        cells["table"][keep][:, columns],
        cells["life"][keep],
        groups=cells["batch"][keep],
        feature_names=names,
        transform=bp.transforms.Log(),
    )
    splits = {"random": KFold(5, shuffle=True, random_state=0)}
    splits["leave one batch out"] = LeaveOneGroupOut()
    results = {}
    for label, model in (
        ("plain", bp.models.BayesianLinear()),
        ("random effects", bp.models.BayesianLinear(random_effects=True)),
        (
            "random effects and slopes",
            bp.models.BayesianLinear(random_effects=names[:1]),
        ),
    ):
        for name, split in splits.items():
            result = bp.evaluate.cross_validate(model, data, splits=split, key=KEY)
            scores = score_of(result.predictive, np.asarray(result.y))
            results[f"{label}, {name}"] = scores
    return results


def curve(options):
    """Severson: ΔQ(V) at 1000 voltages as features, fitted to the split train."""
    cells = cells_of(options.pack)
    train, test = cells["split"] == "train", cells["split"] == "test1"
    x, life = cells["curve"], cells["life"]
    log = bp.transforms.Log()
    data = bp.Dataset(x[train], life[train], transform=log)
    start = time.process_time()
    pred = bp.models.BayesianLinear().fit(data, key=KEY).predict(x[test])
    results = {"ridge": score_of(pred, life[test])}
    results["ridge"]["seconds with compilation"] = time.process_time() - start
    z = np.log10(np.abs(x) + 1e-4)
    data = bp.Dataset(z[train], life[train], transform=log)
    pred = bp.models.BayesianLinear().fit(data, key=KEY).predict(z[test])
    results["ridge on logarithms"] = score_of(pred, life[test])
    return results


def sparse(options):
    """Five effects among a hundred features and sixty rows, compared with LassoCV."""
    rows = []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        x, new = rng.normal(size=(60, 100)), rng.normal(size=(500, 100))
        weights = np.zeros(100)
        weights[:5] = [1.5, -1.0, 1.0, -0.75, 0.75]
        y, y_new = (a @ weights + rng.normal(size=len(a)) for a in (x, new))
        prior = bp.priors.Horseshoe(expected_effects=5.0)
        # With a hundred local scales a fit by NUTS takes minutes, by SVI seconds.
        model = bp.models.BayesianLinear(prior=prior, inference=bp.inference.SVI())
        posterior = model.fit(bp.Dataset(x, y), key=KEY)
        pred = posterior.predict(new)
        lasso = LassoCV(cv=5, random_state=0)
        sd = np.std(y - cross_val_predict(lasso, x, y, cv=5))
        mean = lasso.fit(x, y).predict(new)
        ours = score_of(pred, y_new)
        detected = sum(p > 0.5 for p in list(posterior.inclusion(0.25).values())[:5])
        rows.append(
            {
                "rmse": ours["rmse_mean"],
                "nlpd": ours["nlpd"],
                "coverage": ours["coverage"],
                "found": detected,
                "lasso rmse": float(np.sqrt(np.mean((mean - y_new) ** 2))),
                "lasso nlpd": float(-np.mean(norm.logpdf(y_new, mean, sd))),
            }
        )
    won = [r["rmse"] < r["lasso rmse"] and r["nlpd"] < r["lasso nlpd"] for r in rows]
    return {"won both": sum(won), "of": len(won), "seeds": rows}


PARTS = {
    "censored": censored,
    "batches": batches,
    "curve": curve,
    "sparse": sparse,
}
ON_PACK = ("censored", "batches", "curve")


def main() -> None:
    """Run the benchmarks, print and write the results."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pack", type=pathlib.Path)
    parser.add_argument("--peer", help="interpreter of an environment with lifelines")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    results = {}
    for name in options.only:
        if name in ON_PACK and options.pack is None:
            continue
        results[name] = PARTS[name](options)
        print(json.dumps({name: results[name]}, indent=1), flush=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
