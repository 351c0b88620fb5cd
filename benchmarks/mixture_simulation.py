"""Latent protocols in simulated data: recovery, and predictive density compared with peers.

    python benchmarks/mixture_simulation.py --json OUT.json [--seeds 20] [--only NAME ...]

The simulated sets have two or three protocols whose means are 2 to 4 standard deviations of the
noise apart; the probability of a protocol depends on the temperature; 2000 rows are for testing.
`ProtocolMixture` is compared with Gaussian processes with constant and with log-linear noise, with
scikit-learn's `GaussianMixture` of (x, y) conditioned on x (up to eight components, chosen by BIC),
with a neural mixture-density network, and with two oracles: least squares with the true protocols
("known protocols") and the maximum of the likelihood near the true parameters ("maximum
likelihood"). Medians over seeds are printed, and how often the mixture has the higher density than
each other method. "processes" has nonlinear protocols, fitted by Gaussian-process experts.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from mixture_peers import (
    gaussian_mixture,
    known_protocols,
    linear_mixture,
    maximum_likelihood,
    mixture_density,
)
from scipy.special import softmax
from sklearn.metrics import adjusted_rand_score

import battprob as bp
from battprob.cli.arguments import Parser

NAMES = ["rate", "temperature_c"]


class Truth(NamedTuple):
    """A simulated set: linear protocols with unit noise; the gate is the temperature."""

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
PROCESSES_UP_TO = 300  # rows; with more, single processes take minutes per seed


def one_seed(truth: Truth, seed: int) -> dict[str, float]:
    """Scores of one simulated set."""
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
    assigned = np.asarray(posterior.responsibilities(x, y)).argmax(1)
    low, high = pred.interval(0.9)
    # Bias on protocol 1 of the average prediction, and of that for protocol 1.
    alone = posterior.predict(new, protocol=1).mean
    scores = {
        "within_error": abs(float(pred.within.mean()) - 1),
        "between_error": abs(float(pred.between.mean()) / between.mean() - 1),
        "total_error": abs(aleatoric.mean() / (1 + between.mean()) - 1),
        "gate_error": float(np.abs(probability - gate).mean()),
        "coverage": float(np.mean((target >= low) & (target <= high))),
        "rand_index": adjusted_rand_score(u, assigned),
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
        "known protocols": known_protocols(x, u, y, truth.protocols),
        "maximum likelihood": maximum_likelihood(x, y, truth),
    }
    for name, flat in oracles.items():
        mean, weight, density = linear_mixture(flat, new, target, truth.protocols)
        variance = (weight * mean**2).sum(1) - (weight * mean).sum(1) ** 2
        noise = np.exp(flat[3 * truth.protocols])
        scores[f"{name}: within_error"] = abs(noise - 1)
        scores[f"{name}: between_error"] = abs(variance.mean() / between.mean() - 1)
        scores[f"{name}: conditional_bias"] = np.mean(mean[:, 1] - functions[1])
        scores[f"{name}_log_density"] = density.mean()
    if truth.num <= PROCESSES_UP_TO:
        heads = {"gp": bp.noise.Constant(), "gp_log_linear": bp.noise.LogLinear()}
        for name, head in heads.items():
            single = bp.models.GaussianProcess(noise=head)
            pred = single.fit(data, key=jax.random.key(seed)).predict(new)
            scores[f"{name}_log_density"] = float(pred.log_prob(target).mean())
    return scores


def weight_errors(truth, posterior, x, rng) -> dict[str, float]:
    """Errors of the weight of the last protocol, estimated from 40 unlabelled cells.

    Of the cells nine in ten are on the last protocol. The weight is estimated from the features,
    from features and targets, and from both with the true densities.
    """
    pool, u, y = truth.sample(rng, 4000)
    last = truth.protocols - 1
    protocols = np.where(rng.random(40) < 0.9, last, 0)
    rows = [rng.choice(np.flatnonzero(u == k)) for k in protocols]
    cells, target = pool[rows], y[rows]
    gate = truth.gate(cells).T
    density = gate * np.exp(-0.5 * (target[:, None] - truth.functions(cells).T) ** 2)
    probabilities = posterior.protocol_probabilities
    training = np.asarray(probabilities(x)).mean(0)
    estimates = {
        "weight_error": (probabilities(cells), training),
        "weight_error, targets": (posterior.responsibilities(cells, target), training),
        "true gate: weight_error": (gate, truth.gate(pool).mean(1)),
        "true densities: weight_error, targets": (
            density / density.sum(1, keepdims=True),
            truth.gate(pool).mean(1),
        ),
    }
    weights = {k: bp.evaluate.protocol_weights(*pair) for k, pair in estimates.items()}
    errors = {k: abs(float(w.weights[last]) - 0.9) for k, w in weights.items()}
    standard_error = float(weights["weight_error"].error[last])
    return errors | {"standard error of weight": standard_error}


def process_seed(seed: int) -> dict[str, float]:
    """Scores with two nonlinear protocols, 4 sd apart on average, 100 rows."""
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
    scores = {}
    for name, expert in experts.items():
        model = bp.models.ProtocolMixture(expert, 2, shared=True)
        posterior = model.fit(data, key=jax.random.key(seed))
        pred = posterior.predict(new)
        low, high = pred.interval(0.9)
        assigned = np.asarray(posterior.responsibilities(x[:100], y[:100])).argmax(1)
        scores |= {
            f"{name}: within_error": abs(float(pred.within.mean()) - 1),
            f"{name}: rand_index": adjusted_rand_score(u[:100], assigned),
            f"{name}: coverage": float(np.mean((target >= low) & (target <= high))),
            f"{name}: log density": float(pred.log_prob(target).mean()),
        }
    single = bp.models.GaussianProcess().fit(data, key=jax.random.key(seed))
    scores["one process: log density"] = float(
        single.predict(new).log_prob(target).mean()
    )
    return scores


NUMBERS = {
    "2 protocols, n 300": (Truth(300, 2, 3.0), False),
    "3 protocols, n 300": (Truth(300, 3, 3.0), False),
    "3 protocols, n 300, shared": (Truth(300, 3, 3.0), True),
    "3 protocols, n 600, shared": (Truth(600, 3, 3.0), True),
}


def selected_numbers(seeds: int) -> dict[str, list[int]]:
    """Number of protocols selected by `num_protocols="auto"`, 3 sd apart."""
    selected = {}
    for name, (truth, shared) in NUMBERS.items():
        model = bp.models.ProtocolMixture(
            bp.models.BayesianLinear(), "auto", GATE, shared=shared
        )
        selected[name] = []
        for seed in range(seeds):
            x, _, y = truth.sample(np.random.default_rng(seed), truth.num)
            data = bp.Dataset(x, y, feature_names=NAMES)
            posterior = model.fit(data, key=jax.random.key(seed))
            selected[name].append(posterior.num_protocols)
        correct = np.mean(np.array(selected[name]) == truth.protocols)
        print(f"number of protocols, {name}: correct for {correct:.0%}", selected[name])
    return selected


def seconds_of_starts() -> dict[int, float]:
    """CPU seconds of a fit with one and with twenty initialisations, compiled before."""
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
    """Run all cases, print and write the scores."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[*CASES, *EXTRA])
    options = parser.parse_args()
    bp.enable_x64()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in options.only:
        if name == "number":
            results[name] = selected_numbers(options.seeds)
        elif name == "processes":
            rows = [process_seed(seed) for seed in range(min(options.seeds, 6))]
            results[name] = {key: [row[key] for row in rows] for key in rows[0]}
            for key, values in results[name].items():
                print(f"  {key:40s} {np.median(values):8.4f}")
        elif name == "starts":
            results[name] = seconds_of_starts()
            print("CPU seconds by number of initialisations", results[name])
        else:
            rows = [one_seed(CASES[name], seed) for seed in range(options.seeds)]
            results[name] = {key: [row[key] for row in rows] for key in rows[0]}
            print(f"\n{name}, medians of {len(rows)} seeds")
            for key, values in results[name].items():
                print(f"  {key:40s} {np.median(values):8.4f}")
            mixture = np.array(results[name]["log_density"])
            for key in (k for k in results[name] if k.endswith("_log_density")):
                wins = np.sum(mixture > np.array(results[name][key]))
                print(
                    f"  better than {key[:-12]:14s} on {wins} of {len(mixture)} seeds"
                )
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
