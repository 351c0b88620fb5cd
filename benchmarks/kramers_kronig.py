"""Consistency: false alarms, what drift is seen, and CPU seconds.

    .venv/bin/python benchmarks/kramers_kronig.py [--peer /path/to/python-with-impedance]

Spectra of R0-p(R1,CPE1)-p(R2,CPE2)-W1 at 60 frequencies, swept from 10 kHz to 10 mHz. A drift
of d scales the impedance by 1 + d t, t growing evenly over the points of the sweep from 0 to 1.
Noise of 0.5 or 1 % of |Z| (or of its mean) on each of Re and Im. AUC: how often a drifting
spectrum looks worse than a clean one. The peer is lin-KK (impedance 1.7.1: `measurementModel`
patched for numpy 2), complex fit, c = 0.85 and 0.5, judged by the mean squared relative
residual. Writes benchmarks/results/kramers_kronig.json.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import battprob as bp

CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-W1"
TRUTH = np.array(
    [0.02, 0.008, 1e-3**0.85 / 0.008, 0.85, 0.015, 0.1**0.8 / 0.015, 0.8, 2.5e-3]
)
FREQUENCY = np.logspace(4, -2, 60)
SWEEP = np.linspace(0, 1, 60)
RESULTS = pathlib.Path(__file__).parent / "results"

PEER = """
import json, sys, time
import numpy as np
import impedance.validation as validation
# Under numpy 2 the expression that it evaluates names a type that is not in scope.
validation.circuit_elements["np"] = np
task = np.load(sys.argv[1])
out, start = {}, time.process_time()
for name in ("clean", "drift"):
    out[name] = []
    for z in task[name]:
        *_, real, imag = validation.linKK(
            task["frequency"], z, c=float(task["c"]), fit_type="complex", add_cap=True
        )
        out[name].append(float(np.mean(np.square(real) + np.square(imag))))
out["seconds"] = (time.process_time() - start) / (2 * len(task["clean"]))
print(json.dumps(out))
"""


def spectra(rng, count, drift, level, kind):
    """Noisy spectra [count f] of a cell that drifts during the sweep."""
    z = np.asarray(bp.eis.Circuit(CIRCUIT).impedance(TRUTH, FREQUENCY))
    size = np.abs(z) if kind == "proportional" else np.full(60, np.abs(z).mean())
    noise = rng.normal(size=(2, count, 60))
    return z * (1 + drift * SWEEP) + level * size * (noise[0] + 1j * noise[1])


def auc(clean, drifting):
    """Chance that a drifting spectrum has the larger score."""
    return float(np.mean(drifting[:, None] > clean[None]))


def peers(peer, clean, drifting, strictness):
    """Scores of lin-KK, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "task.npz"
        np.savez(path, clean=clean, drift=drifting, frequency=FREQUENCY, c=strictness)
        answer = subprocess.run(
            [peer, "-c", PEER, str(path)], capture_output=True, text=True, check=False
        )
    if answer.returncode:
        return {"failed": answer.stderr.strip().splitlines()[-1]}
    found = json.loads(answer.stdout.splitlines()[-1])
    scores = np.array(found["clean"]), np.array(found["drift"])
    return {"auc": auc(*scores), "seconds": found["seconds"]}


def main():
    """Run all levels of noise and drift and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    bp.enable_x64()
    rng, results = np.random.default_rng(0), {}
    count = 20 if options.smoke else 400
    for kind, level in (
        ("proportional", 0.005),
        ("additive", 0.005),
        ("proportional", 0.01),
    ):
        clean = spectra(rng, count, 0.0, level, kind)
        start = time.process_time()
        p = bp.eis.kramers_kronig(FREQUENCY, clean).p_value
        own = {
            "seconds": (time.process_time() - start) / count,
            "false alarms at 5 %": float(np.mean(p < 0.05)),
            "false alarms at 1 %": float(np.mean(p < 0.01)),
        }
        for drift in (0.02, 0.05, 0.1):
            moved = spectra(rng, count // 4, drift, level, kind)
            q = bp.eis.kramers_kronig(FREQUENCY, moved).p_value
            own[f"drift {drift:.0%}"] = {
                "auc": auc(-p, -q),
                "power at 5 %": float(np.mean(q < 0.05)),
            }
            if options.peer:
                for c in (0.85, 0.5):
                    own[f"drift {drift:.0%}"][f"lin-KK, c = {c}"] = peers(
                        options.peer, clean[: count // 4], moved, c
                    )
        results[f"{kind} noise, {level:.1%}"] = own
        print(kind, level, json.dumps(own), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kramers_kronig.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
