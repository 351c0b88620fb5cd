"""Distribution of relaxation times: error, coverage and CPU seconds on simulated spectra.

    .venv/bin/python benchmarks/drt.py [--peer /path/to/python-with-pyDRTtools] [--smoke]

Cases (81 frequencies, 1e-4 to 1e4 Hz): one ZARC (10 Ω + 50 Ω, 1 s, 0.8) and two (20 Ω + 50 Ω
at 0.1 s + 50 Ω at 10 s), which are common in the literature; then shapes that were not used to
choose the prior: broader, sharper and different ZARCs, a Havriliak-Negami element, an RC pair with
a ZARC, and a Gerischer element. The last two have a γ that is not finite everywhere and are scored
where it is. The noise has a standard deviation of 0.1, 0.5 or 1 Ω on each of Re and Im. The error is
the relative L2 error of the posterior mean over ln τ in 10^-3.5 .. 10^3.5 s; coverage is that of the
pointwise 90 % intervals. The peer (pip install pyDRTtools==0.2 cvxopt; PyQt5 is replaced by a stub)
fits the same spectra by Tikhonov regularisation with generalised cross-validation.
Writes benchmarks/results/drt.json.
"""

import json
import pathlib
import subprocess
import tempfile
import time

import jax
import numpy as np

import battprob as bp
from battprob.cli.arguments import Parser

FREQUENCY = np.logspace(-4, 4, 81)
TAU = np.logspace(-3.5, 3.5, 141)
RESULTS = pathlib.Path(__file__).parent / "results"

PEER = """
import json, sys, time, types, warnings
warnings.simplefilter("ignore")
class Any(types.ModuleType):
    def __getattr__(self, name):
        return type(name, (), {})
for name in ("PyQt5", "PyQt5.QtWidgets", "PyQt5.QtGui", "PyQt5.QtCore", "pyDRTtools.GUI"):
    sys.modules[name] = Any(name)
import numpy as np
from pyDRTtools.runs import EIS_object, simple_run
task = np.load(sys.argv[1])
curves, start = [], time.process_time()
for z in task["z"]:
    entry = EIS_object(task["frequency"][::-1], z.real[::-1], z.imag[::-1])
    simple_run(entry, rbf_type="Gaussian", data_used="Combined Re-Im Data",
               induct_used=1, der_used="2nd order", cv_type="GCV",
               reg_param=1e-3, shape_control="FWHM Coefficient", coeff=0.5)
    log_tau = np.log(entry.out_tau_vec)
    order = np.argsort(log_tau)
    curves.append(np.interp(np.log(task["tau"]), log_tau[order], np.asarray(entry.gamma)[order]).tolist())
seconds = time.process_time() - start
print(json.dumps({"curves": curves, "seconds": seconds / len(curves)}))
"""


def zarc(tau, resistance, centre, power):
    """γ(ln τ) of a resistance in parallel with a constant-phase element."""
    x, angle = np.log(tau / centre), (1 - power) * np.pi
    return resistance / 2 / np.pi * np.sin(angle) / (np.cosh(power * x) - np.cos(angle))


def havriliak_negami(tau, resistance, centre, alpha, beta):
    """γ(ln τ) of a Havriliak-Negami element; α = 1, β = 1/2 is a Gerischer element."""
    power = (tau / centre) ** alpha
    angle = np.arctan2(np.sin(np.pi * alpha), power + np.cos(np.pi * alpha))
    size = (1 + 2 * np.cos(np.pi * alpha) * power + power**2) ** (beta / 2)
    return resistance / np.pi * power**beta * np.sin(beta * angle) / size


def arcs(*parts, start_ohm=20.0):
    """Impedance and γ of arcs (Ω, s, α) or (Ω, s, α, β); RC pairs have no γ."""
    z, gamma = start_ohm + 0j * FREQUENCY, np.zeros_like(TAU)
    for resistance, centre, alpha, *skew in parts:
        s = (2j * np.pi * FREQUENCY * centre) ** alpha
        z = z + resistance / (1 + s) ** (skew[0] if skew else 1)
        if skew:
            gamma += havriliak_negami(TAU, resistance, centre, alpha, *skew)
        elif alpha < 1:
            gamma += zarc(TAU, resistance, centre, alpha)
    return z, gamma


CASES = {
    "single": arcs((50, 1.0, 0.8), start_ohm=10.0),
    "double": arcs((50, 0.1, 0.8), (50, 10.0, 0.8)),
    "single, 0.6": arcs((50, 1.0, 0.6)),
    "single, 0.9": arcs((50, 0.3, 0.9)),
    "different": arcs((30, 0.03, 0.7), (70, 3.0, 0.9)),
    "a decade apart": arcs((50, 0.3, 0.8), (50, 3.0, 0.8)),
    "Havriliak-Negami": arcs((50, 1.0, 0.9, 0.6)),
    "RC and ZARC": arcs((50, 10.0, 1.0), (50, 0.1, 0.8)),
    "Gerischer": arcs((50, 1.0, 1 - 1e-9, 0.5)),
}
SCORED = {"RC and ZARC": TAU < 1.0, "Gerischer": TAU < 0.8}


def noisy(z, level, count):
    """Spectra [count f] with additive noise."""
    noise = np.random.default_rng(1).normal(size=(2, count, FREQUENCY.size))
    return z + level * (noise[0] + 1j * noise[1])


def relative(curves, truth):
    """Mean relative L2 error of curves [n t]."""
    distance = np.linalg.norm(np.asarray(curves) - truth, axis=1)
    return float(np.mean(distance / np.linalg.norm(truth)))


def ours(z, truth, scored):
    """Error, coverage and CPU seconds per spectrum, without compilation."""
    start = time.process_time()
    posterior = bp.eis.DRT().fit(FREQUENCY, z, key=jax.random.key(0))
    seconds = (time.process_time() - start) / len(z)
    pred, truth = posterior.predict(TAU[scored]), truth[scored]
    pit = np.asarray(pred.cdf(truth))
    inside = (pit > 0.05) & (pit < 0.95)
    return {
        "error": relative(pred.mean, truth),
        "coverage": float(inside.mean()),
        "coverage_of_a_spectrum_sd": float(inside.mean(1).std()),
        "seconds": seconds,
    }


def theirs(peer, z, truth, scored):
    """Error and CPU seconds per spectrum of the peer."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "task.npz"
        np.savez(path, z=z, frequency=FREQUENCY, tau=TAU[scored])
        output = subprocess.run(
            [peer, "-c", PEER, str(path)], capture_output=True, text=True, check=True
        )
    result = json.loads(output.stdout.splitlines()[-1])
    return {
        "error": relative(result["curves"], truth[scored]),
        "seconds": result["seconds"],
    }


def main():
    """Run all cases, print and write the scores."""
    parser = Parser(description=__doc__)
    parser.add_argument("--peer", help="interpreter of an environment with pyDRTtools")
    parser.add_argument("--smoke", action="store_true", help="few spectra")
    options = parser.parse_args()
    bp.enable_x64()
    count, results = 8 if options.smoke else 24, {}
    every = np.ones(TAU.size, bool)
    z, truth = CASES["single"]
    ours(noisy(z, 0.5, count), truth, every)  # compiles
    for name, (z, truth) in CASES.items():
        scored = SCORED.get(name, every)
        for level in (0.1, 0.5, 1.0):
            measured = noisy(z, level, count)
            scores = {"battprob": ours(measured, truth, scored)}
            if options.peer:
                scores["pyDRTtools"] = theirs(options.peer, measured[:8], truth, scored)
            results[f"{name} {level}"] = scores
            print(f"{name} {level}", json.dumps(scores), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "drt.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
