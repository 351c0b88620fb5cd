"""Circuit fits compared with impedance.py: coverage, Cramér-Rao bound, failures, speed.

    .venv/bin/python benchmarks/eis_fit.py [--peer /path/to/python-with-impedance] [--smoke]

The peer (pip install impedance==1.7.1 pandas in a separate environment) fits the same spectra.
CPU seconds are for one thread. Prints the results and writes benchmarks/results/eis_fit.json.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

import battprob as bp
from battprob.cli.arguments import Parser

CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-W1"
FREQUENCY = np.logspace(4, -2, 60)
TRUTH = np.array(
    [0.02, 0.008, 1e-3**0.85 / 0.008, 0.85, 0.015, 0.1**0.8 / 0.015, 0.8, 2.5e-3]
)
RESULTS = pathlib.Path(__file__).parent / "results"
FAR = 6.0  # a fit fails if a parameter is this many standard deviations off

PEER = """
import json, sys, time, warnings
import numpy as np
from impedance.models.circuits import CustomCircuit
warnings.simplefilter("ignore")
task = np.load(sys.argv[1])
values, seconds, guesses = [], time.process_time(), task["guess"]
for row, guess in zip(task["impedance"], guesses):
    circuit = CustomCircuit(str(task["circuit"]), initial_guess=list(guess))
    try:
        circuit.fit(task["frequency"], row)
        values.append([list(circuit.parameters_), list(circuit.conf_)])
    except Exception:
        values.append([[np.nan] * guesses.shape[1]] * 2)
seconds = time.process_time() - seconds
print(json.dumps({"seconds": seconds, "values": values}))
"""


def spectra(kind, level, count, seed):
    """Noisy spectra [count f] and the standard deviation [f] of their noise."""
    z = np.asarray(bp.eis.Circuit(CIRCUIT).impedance(TRUTH, FREQUENCY))
    size = np.abs(z) if kind == "proportional" else np.full(z.size, np.abs(z).mean())
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, 2, z.size))
    return z + level * size * (noise[:, 0] + 1j * noise[:, 1]), level * size


def cramer_rao(sigma):
    """Cramér-Rao bound of the relative standard deviations for known noise."""
    circuit = bp.eis.Circuit(CIRCUIT)
    omega = 2 * np.pi * jnp.asarray(FREQUENCY)
    _, slopes = circuit.network.evaluate_with_gradient(jnp.asarray(TRUTH), omega)
    slopes = np.asarray(slopes) / sigma
    return np.sqrt(np.diag(np.linalg.inv((slopes @ slopes.conj().T).real))) / TRUTH


def ours(impedance, guess=None):
    """A fit, its CPU and wall seconds without compilation, and the compilation time."""
    fit = bp.eis.Circuit(CIRCUIT).fit
    first = fit(FREQUENCY, impedance, key=jax.random.key(0), guess=guess)
    start = time.process_time(), time.perf_counter()
    posterior = fit(FREQUENCY, impedance, key=jax.random.key(0), guess=guess)
    jax.block_until_ready(posterior.mixture)
    cpu, wall = time.process_time() - start[0], time.perf_counter() - start[1]
    return posterior, cpu, wall, first.report.seconds_compile


def scores_of(posterior, sigma):
    """Coverage, standard deviation over the Cramér-Rao bound, and failures of fits."""
    bounds = posterior.interval(0.9)
    low, high = (
        np.stack([bounds[n][i] for n in posterior.network.names], -1) for i in (0, 1)
    )
    value = np.asarray(posterior.parameters.value)
    bound = cramer_rao(sigma)
    robust = np.diff(np.quantile(value, [0.15865, 0.84135], axis=0), axis=0)[0] / 2
    failed = np.any(np.abs(np.log(value / TRUTH)) > FAR * bound, axis=1)
    reported = ~np.asarray(posterior.identified).all(1) | np.asarray(
        posterior.misfitting
    )
    return {
        "coverage": dict(
            zip(
                posterior.network.names,
                ((low <= TRUTH) & (high >= TRUTH)).mean(0),
                strict=True,
            )
        ),
        "spread_over_cramer_rao": dict(
            zip(posterior.network.names, robust / TRUTH / bound, strict=True)
        ),
        "failures": failed.mean(),
        "silent_failures": (failed & ~reported).mean(),
    }


def scores_of_peer(result, sigma, names):
    """Coverage of the 90 % intervals of the fits that succeeded, and failures."""
    value, error = result[:, 0], result[:, 1]
    near = np.abs(np.log(value / TRUTH)) < FAR * cramer_rao(sigma)
    good = near.all(axis=1)
    covered = (np.abs(value - TRUTH) < 1.6449 * error)[good].mean(0)
    return {
        "coverage": dict(zip(names, covered, strict=True)),
        "failures": 1 - good.mean(),
    }


def rounded(tree):
    """The same results with four digits."""
    if isinstance(tree, dict):
        return {name: rounded(branch) for name, branch in tree.items()}
    if tree is None or isinstance(tree, str):
        return tree
    return float(f"{tree:.4g}")


def peer(python, impedance, guess):
    """Parameters and standard errors [n 2 p] of impedance.py, and its CPU seconds."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(
            file.name,
            impedance=impedance,
            frequency=FREQUENCY,
            guess=guess,
            circuit=CIRCUIT,
        )
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
        output = subprocess.run(
            [python, "-c", PEER, file.name],
            env=threads,
            capture_output=True,
            check=True,
            text=True,
        )
    result = json.loads(output.stdout)
    return np.array(result["values"], float), result["seconds"]


def example():
    """Fit of the example spectrum of impedance.py with its circuit and unit weights."""
    folder = pathlib.Path(
        os.environ.get("BATTPROB_DATA", RESULTS.parents[2] / "shared" / "data")
    )
    path = folder / "eis_misc" / "eis.csv"
    if not path.is_file():
        return None
    spectrum = next(
        one
        for one in bp.data.read_spectra(path, by=["spectrum"])
        if one.meta["spectrum"] == "liion_impedancepy"
    )
    below = spectrum.impedance_ohm.imag < 0  # as its documentation leaves out the rest
    frequency, z = spectrum.frequency_hz[below], spectrum.impedance_ohm[below]
    ends = [frequency.min(), frequency.max()]
    unit_weights = bp.eis.KnownVariance(ends, [1.0, 1.0], degrees_of_freedom=0.0)
    circuit = bp.eis.Circuit("R0-p(R1,C1)-p(R2-Wo1,C2)", noise=unit_weights)
    fitted = circuit.fit(frequency, z, key=jax.random.key(0))
    values = fitted.parameters.value
    residual = z - np.asarray(fitted.network.impedance(values, frequency))
    return {
        "rmse_mohm": 1e3 * float(np.sqrt(np.mean(np.abs(residual) ** 2))),
        "verdict": fitted.verdict,
    }


def main(python, count, count_peer):
    """Run all comparisons, print and write the results."""
    bp.enable_x64()
    results = {}
    for kind, level in (
        ("proportional", 0.005),
        ("additive", 0.005),
        ("proportional", 0.01),
    ):
        measured, sigma = spectra(kind, level, count, seed=11)
        posterior, cpu, wall, compiling = ours(measured)
        results[f"{kind} {level}"] = scores_of(posterior, sigma) | {
            "spectra_per_second": count / wall,
            "spectra_per_cpu_second": count / cpu,
            "seconds_compile": compiling,
        }
    rng = np.random.default_rng(5)
    free = np.array([1, 1, 1, 0, 1, 1, 0, 1])
    guess = TRUTH * 5.0 ** (free * rng.choice([-1, 1], free.size))
    measured, sigma = spectra("proportional", 0.005, count, seed=11)
    posterior, *_ = ours(measured, guess)
    results["guess wrong by a factor of 5"] = scores_of(posterior, sigma)
    if python:
        for factor in (1.3, 5.0):
            sign = free * rng.choice([-1, 1], (count_peer, free.size))
            result, seconds = peer(python, measured[:count_peer], TRUTH * factor**sign)
            results[f"impedance.py, guess wrong by a factor of {factor:g}"] = (
                scores_of_peer(result, sigma, posterior.network.names)
                | {
                    "spectra_per_cpu_second": count_peer / seconds,
                    "ours_times_faster": results["proportional 0.005"][
                        "spectra_per_cpu_second"
                    ]
                    * seconds
                    / count_peer,
                }
            )
    results["example spectrum"] = example()
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(rounded(results), indent=1)
    (RESULTS / "eis_fit.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("--peer", help="interpreter with impedance==1.7.1")
    parser.add_argument("--smoke", action="store_true", help="a small run")
    options = parser.parse_args()
    main(options.peer, *((64, 2) if options.smoke else (1000, 20)))
