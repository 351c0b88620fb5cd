"""Are hidden protocols recovered, and does knowing that there are some pay?

    python benchmarks/mixture_simulation.py --json OUT.json [--seeds 20] [--only NAME ...]

Simulated sets of two and three protocols, means 2 to 4 standard deviations of the noise apart,
the protocol chosen by a temperature, 2000 rows to test on. Beside `ProtocolMixture`, on the same
rows: a Gaussian process with constant noise, one with log-linear noise, scikit-learn's
`GaussianMixture` of (x, y) conditioned on x (as many components as BIC likes best, up to eight), a
neural mixture-density network, and two oracles: least squares given the true protocols ("told"),
and the maximum of the likelihood climbed from the truth ("likeliest"). A table of medians over
seeds is printed, and how often the mixture had the best density. "processes" are protocols that
are not linear, found by Gaussian-process experts.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from mixture_peers import (
    gaussian_mixture,
    likeliest,
    linear_mixture,
    mixture_density,
    told_protocols,
)
from scipy.special import softmax
from sklearn.metrics import adjusted_rand_score

import battprob as bp

NAMES = ["rate", "temperature_c"]


class Truth(NamedTuple):
    """A simulated set: linear protocols with unit noise, a gate in the temperature."""

    num: int
    protocols: int
    separation: float

    def functions(self, x):
        """Mean of every protocol [k n]."""
        slope = np.array([0.8, 0.4, 0.6])[: self.protocols]
        offset = self.separation * np.arange(self.protocols)
        return offset[:, None] + slope[:, None] * x[:, 0]

    def gate(self, x):
        """p(protocol | x) [k n]."""
        slope = np.array([-1.0, 1.0, 0.0])[: self.protocols]
        return softmax(slope[:, None] * x[:, 1], axis=0)

    def sample(self, rng, num):
        """Features, protocols, targets."""
        x = rng.normal(size=(num, 2))
        u = (rng.random(num) > np.cumsum(self.gate(x), 0)).sum(0)
        return x, u, self.functions(x)[u, np.arange(num)] + rng.normal(size=num)


CASES = {
    "2 protocols, n 150, 2 sd": Truth(150, 2, 2.0),
    "2 protocols, n 150, 3 sd": Truth(150, 2, 3.0),
    "2 protocols, n 150, 4 sd": Truth(150, 2, 4.0),
    "3 protocols, n 300, 3 sd": Truth(300, 3, 3.0),
    "3 protocols, n 300, 4 sd": Truth(300, 3, 4.0),
    "2 protocols, n 600, 3 sd": Truth(600, 2, 3.0),
}
GATE = bp.models.SoftmaxGate(["temperature_c"])
PROCESSES_UP_TO = 300  # rows: beyond that, single processes cost minutes a seed


def one_seed(truth: Truth, seed: int) -> dict[str, float]:
    """All figures of one simulated set."""
    rng = np.random.default_rng(seed)
    x, u, y = truth.sample(rng, truth.num)
    new, _, target = truth.sample(rng, 2000)
    data = bp.Dataset(x, y, feature_names=NAMES)
    model = bp.models.ProtocolMixture(
        bp.models.BayesianLinear(), truth.protocols, GATE, shared=True
    )
    posterior = model.fit(data, key=jax.random.key(seed))
    pred = posterior.predict(new)
    gate, functions = truth.gate(new), truth.functions(new)
    between = (gate * functions**2).sum(0) - (gate * functions).sum(0) ** 2
    aleatoric = np.asarray(pred.within + pred.between)
    probability = np.asarray(posterior.protocol_probabilities(new)).T
    found = np.asarray(posterior.responsibilities(x, y)).argmax(1)
    low, high = pred.interval(0.9)
    # On one protocol: what the average predictor gets wrong, and what conditioning mends.
    alone = posterior.predict(new, protocol=1).mean
    figures = {
        "within_error": abs(float(pred.within.mean()) - 1),
        "between_error": abs(float(pred.between.mean()) / between.mean() - 1),
        "total_error": abs(aleatoric.mean() / (1 + between.mean()) - 1),
        "gate_error": float(np.abs(probability - gate).mean()),
        "coverage": float(np.mean((target >= low) & (target <= high))),
        "rand_index": adjusted_rand_score(u, found),
        "marginal_bias": float(np.mean(pred.mean - functions[1])),
        "conditional_bias": float(np.mean(alone - functions[1])),
        "log_density": float(pred.log_prob(target).mean()),
        "gmr_log_density": float(gaussian_mixture(x, y, new, target).mean()),
        "mdn_log_density": float(
            mixture_density(x, y, new, target, truth.protocols, seed).mean()
        ),
        **weight_errors(truth, posterior, x, rng),
    }
    oracles = {
        "told": told_protocols(x, u, y, truth.protocols),
        "likeliest": likeliest(x, y, truth),
    }
    for name, flat in oracles.items():
        known, chance, density = linear_mixture(flat, new, target, truth.protocols)
        parted = (chance * known**2).sum(1) - (chance * known).sum(1) ** 2
        noise = np.exp(flat[3 * truth.protocols])
        figures[f"{name}: within_error"] = abs(noise - 1)
        figures[f"{name}: between_error"] = abs(parted.mean() / between.mean() - 1)
        figures[f"{name}: conditional_bias"] = np.mean(known[:, 1] - functions[1])
        figures[f"{name}_log_density"] = density.mean()
    if truth.num <= PROCESSES_UP_TO:
        heads = {"gp": bp.noise.Constant(), "gp_log_linear": bp.noise.LogLinear()}
        for name, head in heads.items():
            single = bp.models.GaussianProcess(noise=head)
            own = single.fit(data, key=jax.random.key(seed)).predict(new)
            figures[f"{name}_log_density"] = float(own.log_prob(target).mean())
    return figures


def weight_errors(truth, posterior, x, rng) -> dict[str, float]:
    """How far the weight of the last protocol is off after 40 cells whose protocol is hidden.

    Cells of another mix: nine in ten on the last protocol, features as those have them. By
    features alone, with targets, and the same by the true densities in place of the model's.
    """
    pool, u, y = truth.sample(rng, 4000)
    last = truth.protocols - 1
    wanted = np.where(rng.random(40) < 0.9, last, 0)
    rows = [rng.choice(np.flatnonzero(u == k)) for k in wanted]
    cells, target = pool[rows], y[rows]
    gate = truth.gate(cells).T
    density = gate * np.exp(-0.5 * (target[:, None] - truth.functions(cells).T) ** 2)
    own = posterior.protocol_probabilities
    before = np.asarray(own(x)).mean(0)
    estimates = {
        "weight_error": (own(cells), before),
        "weight_error, targets": (posterior.responsibilities(cells, target), before),
        "true gate: weight_error": (gate, truth.gate(pool).mean(1)),
        "true densities: weight_error, targets": (
            density / density.sum(1, keepdims=True),
            truth.gate(pool).mean(1),
        ),
    }
    found = {k: bp.evaluate.protocol_weights(*given) for k, given in estimates.items()}
    errors = {k: abs(float(own.weights[last]) - 0.9) for k, own in found.items()}
    return errors | {"stated error of weight": float(found["weight_error"].error[last])}


def process_seed(seed: int) -> dict[str, float]:
    """Two curves that are no lines, 4 sd apart on average, 100 rows."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(1100, 1))
    u = (rng.random(1100) < 0.5).astype(int)
    functions = np.stack([np.sin(2 * x[:, 0]), 4 + np.cos(2 * x[:, 0])])
    y = functions[u, np.arange(1100)] + rng.normal(size=1100)
    data = bp.Dataset(x[:100], y[:100], feature_names=["rate"])
    experts = {
        "processes": bp.models.GaussianProcess(),
        "lines": bp.models.BayesianLinear(),
    }
    new, target = x[100:], y[100:]
    figures = {}
    for name, expert in experts.items():
        model = bp.models.ProtocolMixture(expert, 2, shared=True)
        posterior = model.fit(data, key=jax.random.key(seed))
        pred = posterior.predict(new)
        low, high = pred.interval(0.9)
        own = np.asarray(posterior.responsibilities(x[:100], y[:100])).argmax(1)
        figures |= {
            f"{name}: within_error": abs(float(pred.within.mean()) - 1),
            f"{name}: rand_index": adjusted_rand_score(u[:100], own),
            f"{name}: coverage": float(np.mean((target >= low) & (target <= high))),
            f"{name}: log density": float(pred.log_prob(target).mean()),
        }
    single = bp.models.GaussianProcess().fit(data, key=jax.random.key(seed))
    figures["one process: log density"] = float(
        single.predict(new).log_prob(target).mean()
    )
    return figures


NUMBERS = {
    "2 protocols, n 300": (Truth(300, 2, 3.0), False),
    "3 protocols, n 300": (Truth(300, 3, 3.0), False),
    "3 protocols, n 300, shared": (Truth(300, 3, 3.0), True),
    "3 protocols, n 600, shared": (Truth(600, 3, 3.0), True),
}


def numbers_found(seeds: int) -> dict[str, list[int]]:
    """How many protocols `num_protocols="auto"` finds, 3 sd apart."""
    found = {}
    for name, (truth, shared) in NUMBERS.items():
        model = bp.models.ProtocolMixture(
            bp.models.BayesianLinear(), "auto", GATE, shared=shared
        )
        found[name] = []
        for seed in range(seeds):
            x, _, y = truth.sample(np.random.default_rng(seed), truth.num)
            data = bp.Dataset(x, y, feature_names=NAMES)
            posterior = model.fit(data, key=jax.random.key(seed))
            found[name].append(posterior.num_protocols)
        right = np.mean(np.array(found[name]) == truth.protocols)
        print(f"number of protocols, {name}: right on {right:.0%}", found[name])
    return found


def seconds_of_starts() -> dict[int, float]:
    """CPU-seconds of a fit from one start and from twenty, compiled before."""
    x, _, y = CASES["2 protocols, n 600, 3 sd"].sample(np.random.default_rng(0), 600)
    data = bp.Dataset(x, y, feature_names=NAMES)
    seconds = {}
    for num in (1, 20):
        model = bp.models.ProtocolMixture(
            bp.models.BayesianLinear(), 2, GATE, num_starts=num
        )
        model.fit(data, key=jax.random.key(0))
        times = []
        for seed in range(1, 6):
            begin = time.process_time()
            model.fit(data, key=jax.random.key(seed))
            times.append(time.process_time() - begin)
        seconds[num] = float(np.median(times))
    return seconds


EXTRA = ("number", "starts", "processes")


def main() -> None:
    """Simulate, fit, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[*CASES, *EXTRA])
    options = parser.parse_args()
    bp.enable_x64()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in options.only:
        if name == "number":
            results[name] = numbers_found(options.seeds)
        elif name == "processes":
            rows = [process_seed(seed) for seed in range(min(options.seeds, 6))]
            results[name] = {key: [row[key] for row in rows] for key in rows[0]}
            for key, values in results[name].items():
                print(f"  {key:40s} {np.median(values):8.4f}")
        elif name == "starts":
            results[name] = seconds_of_starts()
            print("CPU-seconds by number of starts", results[name])
        else:
            rows = [one_seed(CASES[name], seed) for seed in range(options.seeds)]
            results[name] = {key: [row[key] for row in rows] for key in rows[0]}
            print(f"\n{name}, medians of {len(rows)} seeds")
            for key, values in results[name].items():
                print(f"  {key:40s} {np.median(values):8.4f}")
            own = np.array(results[name]["log_density"])
            for key in (k for k in results[name] if k.endswith("_log_density")):
                wins = np.sum(own > np.array(results[name][key]))
                print(f"  better than {key[:-12]:14s} on {wins} of {len(own)} seeds")
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
