"""From a spectrum to capacity and state of charge: which representation, and which model.

    .venv/bin/python benchmarks/spectra.py [--peer /path/to/python-with-scikit-learn] [--smoke]

Whole cells are held out. Representations: Re and Im, magnitude and phase, relaxation times
(log γ) and parameters of a circuit, each with the variance its own fit gives it, which goes
through the model to first order and into the noise of the rows. Peers get the same rows and
(Re, Im). BATTPROB_DATA names the folder of data. Writes benchmarks/results/spectra.json.
"""

import argparse
import csv
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
from battprob.eis.posterior import moments
from battprob.features import predict_first_order
from battprob.features.impedance import relaxation_table
from battprob.kernels import Categorical, Linear, Matern52
from battprob.models import GaussianProcess
from battprob.noise import Constant, Known

RESULTS = pathlib.Path(__file__).parent / "results"
DATA = pathlib.Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-CPE3"
CELL = "cell"
AT_EACH = 15  # frequencies or times kept

PEER = """
import json, sys, warnings
import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
warnings.simplefilter("ignore")
task = np.load(sys.argv[1])
x, y, cell = task["x"], task["y"], task["cell"]
def gpr():
    kernel = ConstantKernel() * RBF(np.ones(x.shape[1]) * 5) + WhiteKernel()
    return GaussianProcessRegressor(kernel, normalize_y=True)
found = {}
for name, make in {"ridge (scikit-learn)": BayesianRidge, "GPR (scikit-learn)": gpr}.items():
    mean, sd = np.zeros_like(y), np.zeros_like(y)
    for one in np.unique(cell):
        test = cell == one
        model = make_pipeline(StandardScaler(), make()).fit(x[~test], y[~test])
        mean[test], sd[test] = model.predict(x[test], return_std=True)
    inside = np.abs(y - mean) < 1.6449 * sd
    found[name] = {
        "rmse": float(np.sqrt(np.mean((y - mean) ** 2))), "coverage": float(inside.mean())
    }
print(json.dumps(found))
"""


def zhang(count):
    """Frequencies, spectra, capacities in mAh and cells, `count` spectra of each cell."""
    pack = np.load(DATA / "eis_zhang2020" / "zhang2020.npz")
    z = (pack["re"] - 1j * pack["minus_im"]) * pack["scale"]
    cells = pack["cell"].astype(str)
    own = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
    keep = np.concatenate(
        [rows[np.linspace(0, len(rows) - 1, count).astype(int)] for rows in own]
    )
    return (
        pack["freq_hz"],
        z[keep],
        pack["capacity_mAh"][keep].astype(float),
        cells[keep],
    )


def states_of_charge(count):
    """Frequencies, spectra, states of charge in % and cells; `count` runs of each."""
    with open(DATA / "eis_soc_replicates" / "eis.csv") as file:
        rows = list(csv.DictReader(file))
    spectra = {}
    for row in rows:
        key = row["battery"], row["run"], row["soc_percent"]
        value = float(row["re_ohm"]) + 1j * float(row["im_ohm"])
        spectra.setdefault(key, {})[float(row["freq_hz"])] = value
    frequency = np.array(sorted(next(iter(spectra.values()))))
    runs = {
        b: sorted({r for c, r, _ in spectra if c == b})[:count] for b, _, _ in spectra
    }
    keys = [key for key in spectra if key[1] in runs[key[0]]]
    z = np.array([[spectra[key][f] for f in frequency] for key in keys])
    soc = np.array([float(key[2]) for key in keys])
    return frequency, z, soc, np.array([key[0] for key in keys])


def representations(frequency, z):
    """Features [n d] and their variances, by name."""
    key = jax.random.key(0)
    order = np.argsort(frequency)
    frequency, z = frequency[order], z[:, order]
    found = bp.eis.DRT().fit(frequency, z, key=key)
    noise = np.asarray(found.impedance(frequency).aleatoric)
    keep = np.unique(np.linspace(0, len(frequency) - 1, AT_EACH).astype(int))
    parts = np.stack([z.real, z.imag], axis=-1)[:, keep]
    noise = noise[:, keep]
    size = np.abs(z[:, keep])
    bode = np.stack([np.log10(size), np.angle(z[:, keep])], axis=-1)
    relative = noise.mean(-1) / size**2
    tau = np.geomspace(*found.band_s, AT_EACH)
    times = relaxation_table([str(i) for i in range(len(z))], tau, found.predict(tau))
    fitted = bp.eis.Circuit(CIRCUIT).fit(frequency, z, key=key)
    mean, covariance = moments(fitted.nodes)
    return {
        "Re and Im": (parts.reshape(len(z), -1), noise.reshape(len(z), -1)),
        "magnitude and phase": (
            bode.reshape(len(z), -1),
            np.stack([relative / np.log(10) ** 2, relative], -1).reshape(len(z), -1),
        ),
        "relaxation times": (np.asarray(times.x), np.asarray(times.variance)),
        "circuit": (
            np.asarray(mean),
            np.asarray(jnp.diagonal(covariance, axis1=-2, axis2=-1)),
        ),
    }


def models(names):
    """A line and a curve, each with an offset for every cell."""
    noise = Constant() + Known()
    line = Linear(features=names) + Categorical([CELL])
    return {
        "line": GaussianProcess(line, noise=noise),
        "GP": GaussianProcess(line + Matern52(features=names), noise=noise),
    }


def held_out(model, x, variance, y, cell):
    """Means, sd of every row from a model that has not seen its cell."""
    mean, sd = np.zeros_like(y), np.zeros_like(y)
    names = [f"x{i}" for i in range(x.shape[1])] + [CELL]
    codes = np.unique(cell, return_inverse=True)[1].astype(float)
    exact = np.zeros((len(y), 1))
    variance = np.concatenate([variance, exact], axis=1)
    for code in np.unique(codes):
        test = codes == code
        own = np.where(test, -1.0, codes)
        rows = np.concatenate([x, own[:, None]], axis=1)
        added = np.zeros(np.sum(~test))
        for _ in range(2):  # slopes first, then the noise they make of the features'
            data = bp.Dataset(
                rows[~test], y[~test], noise_variance=added, feature_names=names
            )
            posterior = model.fit(data, key=jax.random.key(0))
            through = predict_first_order(
                posterior.predict, rows[~test], variance[~test]
            )
            plain = posterior.predict(rows[~test])
            added = np.asarray(through.aleatoric - plain.aleatoric)
        pred = predict_first_order(posterior.predict, rows[test], variance[test])
        mean[test], sd[test] = pred.mean, pred.std
    return mean, sd


def judged(frequency, z, y, cell, peer):
    """RMSE and coverage of every representation and model, peers beside."""
    scores = {}
    shown = representations(frequency, z)
    for shape, (x, variance) in shown.items():
        names = [f"x{i}" for i in range(x.shape[1])]
        for name, model in models(names).items():
            start = time.process_time()
            mean, sd = held_out(model, x, variance, y, cell)
            scores[f"{shape}, {name}"] = {
                "rmse": float(np.sqrt(np.mean((y - mean) ** 2))),
                "coverage": float(np.mean(np.abs(y - mean) < 1.6449 * sd)),
                "seconds": time.process_time() - start,
            }
            print(shape, name, scores[f"{shape}, {name}"], flush=True)
    if peer is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "task.npz"
            np.savez(path, x=shown["Re and Im"][0], y=y, cell=cell)
            answer = subprocess.run(
                [peer, "-c", PEER, str(path)],
                capture_output=True,
                text=True,
                check=True,
            )
        scores |= json.loads(answer.stdout)
    return scores


def main():
    """Run both questions and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    bp.enable_x64()
    results = {
        "capacity (mAh)": judged(*zhang(8 if options.smoke else 40), options.peer),
        "state of charge (%)": judged(
            *states_of_charge(1 if options.smoke else 6), options.peer
        ),
    }
    for question, scores in results.items():
        print(f"\n{question}\n{'':32}{'rmse':>8}{'coverage':>10}")
        for name, own in scores.items():
            print(f"{name:32}{own['rmse']:8.3g}{own['coverage']:10.2f}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "spectra.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
