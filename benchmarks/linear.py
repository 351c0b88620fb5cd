"""Bayesian linear models beside their peers: unfinished tests, batches, sparsity, speed.

    OMP_NUM_THREADS=1 python benchmarks/linear.py [--pack PACK.npz] [--peer PYTHON]
        [--only censored batches curve sparse ridge horseshoe cold] --json OUT.json

The peer's Python has lifelines (benchmarks/requirements.txt); scikit-learn and NumPyro are
battprob's own. Seconds are of the CPU, one thread, compilation apart unless said.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm
from sklearn.linear_model import BayesianRidge, LassoCV
from sklearn.model_selection import KFold, LeaveOneGroupOut, cross_val_predict

import battprob as bp
from battprob.inference import MAP, NUTS

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
COLD = """
import numpy as np, jax, battprob as bp
bp.enable_x64()
rng = np.random.default_rng(0)
x = rng.normal(size=(41, 6))
data = bp.Dataset(x, x[:, 0] + 0.3 * rng.normal(size=41))
model = bp.models.BayesianLinear(prior=bp.priors.Horseshoe())
print(model.fit(data, key=jax.random.key(0)).predict(x[:5]).interval(0.9)[0])
"""
KEY = jax.random.key(0)


def cells_of(pack):
    """Lives, splits, batches, early features and ΔQ(V) curves of a pack."""
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


def score(low, middle, high, y):
    """RMSE of the median and coverage and mean width of the 90 % interval."""
    low, middle, high = (np.asarray(a) for a in (low, middle, high))
    return {
        "rmse": float(np.sqrt(np.mean((middle - y) ** 2))),
        "coverage": float(np.mean((low <= y) & (y <= high))),
        "width": float(np.mean(high - low)),
    }


def score_of(pred, y):
    """The same of a predictive, with the RMSE of its mean and its log density."""
    quantile = pred.quantile(np.array([0.05, 0.5, 0.95]))
    return score(*quantile, y) | {
        "rmse_mean": float(np.sqrt(np.mean((np.asarray(pred.mean) - y) ** 2))),
        "nlpd": float(-np.mean(np.asarray(pred.log_prob(y)))),
    }


def peer_answer(python, script, **arrays):
    """What the peer's Python prints for these arrays."""
    with tempfile.TemporaryDirectory() as folder:
        task = pathlib.Path(folder) / "task.npz"
        np.savez(task, **arrays)
        command = [python, "-c", script, str(task)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def censored(options):
    """Severson: tests stopped at 700 or 500 cycles, log10 variance of ΔQ alone."""
    cells = cells_of(options.pack)
    column = cells["names"].index("delta_q_log10_variance")
    x, life = cells["table"][:, [column]], cells["life"]
    train, test = cells["split"] == "train", cells["split"] == "test1"
    log = bp.transforms.Log()
    answer = {}
    for stop in (700, 500):
        beyond, seen = life > stop, np.minimum(life, stop)

        def fit(rows, y, flags=None, groups=None, **settings):
            data = bp.Dataset(
                x[rows],
                y[rows],
                transform=log,
                censored=None if flags is None else flags[rows],
                groups=None if groups is None else groups[rows],
            )
            model = bp.models.BayesianLinear(**settings)
            return model.fit(data, key=KEY)

        batch = cells["batch"]
        exact = fit(train, seen, flags=beyond)
        mixed = fit(train, seen, flags=beyond, groups=batch, random_effects=True)
        known = mixed.predict(x[test], groups=batch[test])
        found = {
            "events": int((train & ~beyond).sum()),
            "exact": score_of(exact.predict(x[test]), life[test]),
            "exact, batches known": score_of(known, life[test]),
            "exact, batches new": score_of(mixed.predict(x[test]), life[test]),
            "dropped": score_of(
                fit(train & ~beyond, life).predict(x[test]), life[test]
            ),
            "last cycle + 1": score_of(
                fit(train, np.where(beyond, stop + 1.0, life)).predict(x[test]),
                life[test],
            ),
            "report": exact.report.message,
        }
        if options.peer:
            quantile = peer_answer(
                options.peer,
                AFT,
                x=x[train, 0],
                life=seen[train],
                event=~beyond[train],
                new=x[test, 0],
            )
            found["lifelines log-normal AFT"] = score(*quantile, life[test])
        answer[f"stopped at {stop}"] = found
    return answer


def batches(options):
    """Severson, train and test1 together: random folds, and one batch left out."""
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
    answer = {}
    for label, model in (
        ("plain", bp.models.BayesianLinear()),
        ("random effects", bp.models.BayesianLinear(random_effects=True)),
        (
            "random effects and slopes",
            bp.models.BayesianLinear(random_effects=names[:1]),
        ),
    ):
        for name, split in splits.items():
            result = bp.evaluate.cross_validate(model, data, split, key=KEY)
            found = score_of(result.predictive, np.asarray(result.y))
            answer[f"{label}, {name}"] = found
    return answer


def curve(options):
    """Severson: ΔQ(V) at 1000 voltages as features, trained on train."""
    cells = cells_of(options.pack)
    train, test = cells["split"] == "train", cells["split"] == "test1"
    x, life = cells["curve"], cells["life"]
    log = bp.transforms.Log()
    data = bp.Dataset(x[train], life[train], transform=log)
    start = time.process_time()
    pred = bp.models.BayesianLinear().fit(data, key=KEY).predict(x[test])
    answer = {"ridge": score_of(pred, life[test])}
    answer["ridge"]["seconds with compilation"] = time.process_time() - start
    z = np.log10(np.abs(x) + 1e-4)
    data = bp.Dataset(z[train], life[train], transform=log)
    pred = bp.models.BayesianLinear().fit(data, key=KEY).predict(z[test])
    answer["ridge on logarithms"] = score_of(pred, life[test])
    return answer


def sparse(options):
    """Five effects among a hundred features, sixty rows: seeds won against LassoCV."""
    rows = []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        x, new = rng.normal(size=(60, 100)), rng.normal(size=(500, 100))
        weights = np.zeros(100)
        weights[:5] = [1.5, -1.0, 1.0, -0.75, 0.75]
        y, y_new = (a @ weights + rng.normal(size=len(a)) for a in (x, new))
        prior = bp.priors.Horseshoe(expected_effects=5.0)
        # A hundred local scales take NUTS many minutes a fit; SVI takes seconds.
        model = bp.models.BayesianLinear(prior=prior, inference=bp.inference.SVI())
        posterior = model.fit(bp.Dataset(x, y), key=KEY)
        pred = posterior.predict(new)
        lasso = LassoCV(cv=5, random_state=0)
        sd = np.std(y - cross_val_predict(lasso, x, y, cv=5))
        mean = lasso.fit(x, y).predict(new)
        ours = score_of(pred, y_new)
        found = sum(p > 0.5 for p in list(posterior.inclusion(0.25).values())[:5])
        rows.append(
            {
                "rmse": ours["rmse_mean"],
                "nlpd": ours["nlpd"],
                "coverage": ours["coverage"],
                "found": found,
                "lasso rmse": float(np.sqrt(np.mean((mean - y_new) ** 2))),
                "lasso nlpd": float(-np.mean(norm.logpdf(y_new, mean, sd))),
            }
        )
    won = [r["rmse"] < r["lasso rmse"] and r["nlpd"] < r["lasso nlpd"] for r in rows]
    return {"won both": sum(won), "of": len(won), "seeds": rows}


def ridge(options):
    """Conjugate fit of 100 000 rows and 100 features, beside BayesianRidge."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000 // options.shrink, 100))
    y = x @ rng.normal(size=100) / 10 + 0.5 * rng.normal(size=len(x))
    data = bp.Dataset(x, y)
    seconds = {"ours": [], "sklearn": []}
    for repeat in range(6):
        start = time.process_time()
        bp.models.BayesianLinear().fit(data, key=jax.random.key(repeat))
        middle = time.process_time()
        BayesianRidge().fit(x, y)
        seconds["ours"].append(middle - start)
        seconds["sklearn"].append(time.process_time() - middle)
    first = seconds["ours"].pop(0)
    answer = {name: float(np.median(values)) for name, values in seconds.items()}
    return answer | {"ours, first with compilation": first}


def horseshoe(options):
    """Horseshoe, n = 100, d = 30: 4 chains of 1000 + 1000, beside NumPyro's."""
    import numpyro
    import numpyro.distributions as dist
    from numpyro.diagnostics import summary
    from numpyro.infer import MCMC
    from numpyro.infer import NUTS as PlainNUTS

    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 30))
    y = x[:, :4] @ [1.0, -0.7, 0.5, 0.3] + 0.5 * rng.normal(size=100)
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()

    def plain(z, t):
        tau = numpyro.sample("tau", dist.HalfCauchy(3 / 27 / 100**0.5))
        slab = numpyro.sample("slab", dist.InverseGamma(2.0, 2.0))
        local = numpyro.sample("local", dist.HalfCauchy(1.0).expand([30]))
        unit = numpyro.sample("unit", dist.Normal(0, 1).expand([30]))
        intercept = numpyro.sample("intercept", dist.Normal(0, 1))
        log_noise = numpyro.sample("log_noise", dist.Normal(-2, 2))
        wide = tau * local
        weights = unit * wide / jnp.sqrt(1 + wide**2 / slab)
        sd = jnp.exp(0.5 * log_noise)
        numpyro.sample("y", dist.Normal(intercept + z @ weights, sd), obs=t)

    num = 1000 // options.shrink
    sampler = NUTS(num_samples=4 * num, num_warmup=num, mode=MAP(num_starts=1))
    model = bp.models.BayesianLinear(prior=bp.priors.Horseshoe(), inference=sampler)
    chains = {"num_warmup": num, "num_samples": num, "num_chains": 4}
    answer = {}
    for repeat in range(2):  # the second finds its programs compiled
        key = jax.random.key(repeat)
        start = time.process_time()
        report = model.fit(bp.Dataset(x, y), key=key).report
        ours = time.process_time() - start
        mcmc = MCMC(
            PlainNUTS(plain), chain_method="sequential", progress_bar=False, **chains
        )
        start = time.process_time()
        mcmc.run(key, z, t)
        theirs = time.process_time() - start
        stats = summary(mcmc.get_samples(group_by_chain=True)).values()
        diverged = mcmc.get_extra_fields()["diverging"].sum()
        answer["compiled" if repeat else "cold"] = {
            "seconds": ours,
            "r_hat": report.r_hat,
            "ess": report.ess,
            "divergences": report.divergences,
            "numpyro seconds": theirs,
            "numpyro r_hat": max(float(np.max(s["r_hat"])) for s in stats),
            "numpyro ess": min(float(np.min(s["n_eff"])) for s in stats),
            "numpyro divergences": int(diverged),
        }
    return answer


def cold(options):
    """CPU-seconds of a new process with one default fit by NUTS, nothing cached."""
    del options
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    before = os.times()
    command = [sys.executable, "-c", COLD]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return {"seconds": used - before.children_user - before.children_system}


QUESTIONS = {
    "censored": censored,
    "batches": batches,
    "curve": curve,
    "sparse": sparse,
    "ridge": ridge,
    "horseshoe": horseshoe,
    "cold": cold,
}
ON_PACK = ("censored", "batches", "curve")


def main() -> None:
    """Ask the questions and write the answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pack", type=pathlib.Path)
    parser.add_argument("--peer", help="a Python with lifelines")
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shrink", type=int, default=1, help="for a quick look")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    answers = {}
    for name in options.only:
        if name in ON_PACK and options.pack is None:
            continue
        answers[name] = QUESTIONS[name](options)
        print(json.dumps({name: answers[name]}, indent=1), flush=True)
    options.json.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
