"""Kramers-Kronig test: false alarms, detection of drift, and CPU seconds.

    .venv/bin/python benchmarks/kramers_kronig.py [--peer /path/to/python-with-impedance]

Spectra of R0-p(R1,CPE1)-p(R2,CPE2)-W1 at 60 frequencies, swept from 10 kHz to 10 mHz. A drift
of d scales the impedance by 1 + d t, where t increases from 0 to 1 in equal steps over the sweep.
The noise is 0.5 or 1 % of |Z| (or of its mean) on each of Re and Im. AUC is the probability that the
score of a drifting spectrum exceeds that of a spectrum without drift. The peer is lin-KK (impedance
1.7.1, patched for numpy 2) with a complex fit and c = 0.85 or 0.5; its score is the mean squared
relative residual. Writes benchmarks/results/kramers_kronig.json.
"""

import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import battprob as bp
from battprob.cli.arguments import Parser

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
# With numpy 2 the expression evaluated by linKK needs the name `np` in its scope.
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
    """Probability that a drifting spectrum has the larger score."""
    return float(np.mean(drifting[:, None] > clean[None]))


def peers(peer, clean, drifting, strictness):
    """AUC and seconds of lin-KK, or its error message."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "task.npz"
        np.savez(path, clean=clean, drift=drifting, frequency=FREQUENCY, c=strictness)
        output = subprocess.run(
            [peer, "-c", PEER, str(path)], capture_output=True, text=True, check=False
        )
    if output.returncode:
        return {"failed": output.stderr.strip().splitlines()[-1]}
    result = json.loads(output.stdout.splitlines()[-1])
    scores = np.array(result["clean"]), np.array(result["drift"])
    return {"auc": auc(*scores), "seconds": result["seconds"]}


def main():
    """Run all noise and drift amplitudes, print and write the results."""
    parser = Parser(description=__doc__)
    parser.add_argument("--peer", help="interpreter of an environment with impedance")
    parser.add_argument("--smoke", action="store_true", help="few spectra")
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
        scores = {
            "seconds": (time.process_time() - start) / count,
            "false alarms at 5 %": float(np.mean(p < 0.05)),
            "false alarms at 1 %": float(np.mean(p < 0.01)),
        }
        for drift in (0.02, 0.05, 0.1):
            moved = spectra(rng, count // 4, drift, level, kind)
            q = bp.eis.kramers_kronig(FREQUENCY, moved).p_value
            scores[f"drift {drift:.0%}"] = {
                "auc": auc(-p, -q),
                "power at 5 %": float(np.mean(q < 0.05)),
            }
            if options.peer:
                for c in (0.85, 0.5):
                    scores[f"drift {drift:.0%}"][f"lin-KK, c = {c}"] = peers(
                        options.peer, clean[: count // 4], moved, c
                    )
        results[f"{kind} noise, {level:.1%}"] = scores
        print(kind, level, json.dumps(scores), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kramers_kronig.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
