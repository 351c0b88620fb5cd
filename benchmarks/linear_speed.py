"""Time of fits of Bayesian linear models, compared with scikit-learn and NumPyro.

    OMP_NUM_THREADS=1 python benchmarks/linear_speed.py [--only ridge horseshoe cold]
        --json OUT.json

Times are CPU seconds for one thread, without compilation unless stated. `linear.py` measures the
accuracy of the models.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import sample
from numpyro.diagnostics import summary
from numpyro.infer import MCMC
from numpyro.infer import NUTS as PlainNUTS
from sklearn.linear_model import BayesianRidge

import battprob as bp
from battprob.cli.arguments import Parser
from battprob.inference import MAP, NUTS

COLD = """
import numpy as np, jax, battprob as bp
bp.enable_x64()
rng = np.random.default_rng(0)
x = rng.normal(size=(41, 6))
data = bp.Dataset(x, x[:, 0] + 0.3 * rng.normal(size=41))
model = bp.models.BayesianLinear(prior=bp.priors.Horseshoe())
print(model.fit(data, key=jax.random.key(0)).predict(x[:5]).interval(0.9)[0])
"""


def ridge(options):
    """Conjugate fit of 100 000 rows and 100 features, compared with BayesianRidge."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000 // options.shrink, 100))
    y = x @ rng.normal(size=100) / 10 + 0.5 * rng.normal(size=len(x))
    data = bp.Dataset(x, y)
    seconds = {"ours": [], "sklearn": []}
    for repeat in range(6):
        start = time.process_time()
        bp.models.BayesianLinear().fit(data, key=jax.random.key(repeat))
        between = time.process_time()
        BayesianRidge().fit(x, y)
        seconds["ours"].append(between - start)
        seconds["sklearn"].append(time.process_time() - between)
    first = seconds["ours"].pop(0)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return medians | {"ours, first with compilation": first}


def horseshoe(options):
    """Horseshoe, 100 rows, 30 features: 4 chains of 1000 + 1000, as in NumPyro."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 30))
    y = x[:, :4] @ [1.0, -0.7, 0.5, 0.3] + 0.5 * rng.normal(size=100)
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    num = 1000 // options.shrink
    sampler = NUTS(num_samples=4 * num, num_warmup=num, mode=MAP(num_starts=1))
    model = bp.models.BayesianLinear(prior=bp.priors.Horseshoe(), inference=sampler)
    chains = {"num_warmup": num, "num_samples": num, "num_chains": 4}
    results = {}
    for repeat in range(2):  # the second needs no compilation
        key = jax.random.key(repeat)
        start = time.process_time()
        report = model.fit(bp.Dataset(x, y), key=key).report
        ours = time.process_time() - start
        mcmc = MCMC(
            PlainNUTS(horseshoe_density),
            chain_method="sequential",
            progress_bar=False,
            **chains,
        )
        start = time.process_time()
        mcmc.run(key, z, t)
        theirs = time.process_time() - start
        stats = summary(mcmc.get_samples(group_by_chain=True)).values()
        diverged = mcmc.get_extra_fields()["diverging"].sum()
        results["compiled" if repeat else "cold"] = {
            "seconds": ours,
            "r_hat": report.r_hat,
            "ess": report.ess,
            "divergences": report.divergences,
            "numpyro seconds": theirs,
            "numpyro r_hat": max(float(np.max(s["r_hat"])) for s in stats),
            "numpyro ess": min(float(np.min(s["n_eff"])) for s in stats),
            "numpyro divergences": int(diverged),
        }
    return results


def horseshoe_density(z, t):
    """The same model in NumPyro, with the weights sampled."""
    tau = sample("tau", dist.HalfCauchy(3 / 27 / 100**0.5))
    slab = sample("slab", dist.InverseGamma(2.0, 2.0))
    local = sample("local", dist.HalfCauchy(1.0).expand([30]))
    unit = sample("unit", dist.Normal(0, 1).expand([30]))
    intercept = sample("intercept", dist.Normal(0, 1))
    log_noise = sample("log_noise", dist.Normal(-2, 2))
    wide = tau * local
    weights = unit * wide / jnp.sqrt(1 + wide**2 / slab)
    sd = jnp.exp(0.5 * log_noise)
    sample("y", dist.Normal(intercept + z @ weights, sd), obs=t)


def cold(options):
    """CPU seconds of a new process with one default fit by NUTS and an empty cache."""
    del options
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    before = os.times()
    command = [sys.executable, "-c", COLD]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return {"seconds": used - before.children_user - before.children_system}


PARTS = {"ridge": ridge, "horseshoe": horseshoe, "cold": cold}


def main() -> None:
    """Run the benchmarks, print and write the results."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--shrink",
        type=int,
        default=1,
        help="divide sizes by this number, for a quick test",
    )
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    results = {}
    for name in options.only:
        results[name] = PARTS[name](options)
        print(json.dumps({name: results[name]}, indent=1), flush=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
