"""From a spectrum to capacity and state of charge: which representation, and which model.

    .venv/bin/python benchmarks/spectra.py capacity|soc [--smoke]

Whole cells are held out. Representations: Re and Im, magnitude and phase, relaxation times
(log γ) and parameters of a circuit, with the covariance of their errors: of what a fit leaves
unsaid for capacity, of repeats in the cells of training for the state of charge. The errors go
through the model to first order into the noise of the rows, both at training and for new ones.
The GP has a line and a curve that cells share and an offset and a line of each cell's own; the
line is `BayesianLinear` with an offset of each cell's own. Peers (scikit-learn's ridge, and its
GPR with one length or one a feature, no restarts, at most 100 steps) get the same rows.
BATTPROB_DATA names the folder of data. Writes benchmarks/results/spectra_QUESTION.json.
"""

import argparse
import csv
import json
import os
import pathlib
import time
import warnings

import jax
import numpy as np
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import battprob as bp
from battprob.features import fit_first_order, predict_first_order
from battprob.kernels import Categorical, Linear, Matern52
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known

RESULTS = pathlib.Path(__file__).parent / "results"
DATA = pathlib.Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-CPE3"
CELL = "cell"
AT_EACH = 15  # frequencies or times kept


def zhang(count):
    """Frequencies, spectra, capacities in mAh and cells, `count` spectra of each cell."""
    pack = np.load(DATA / "eis_zhang2020" / "zhang2020.npz")
    z = (pack["re"] - 1j * pack["minus_im"]) * pack["scale"]
    cells = pack["cell"].astype(str)
    own = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
    keep = np.concatenate(
        [rows[np.linspace(0, len(rows) - 1, count).astype(int)] for rows in own]
    )
    capacity = pack["capacity_mAh"][keep].astype(float)
    return pack["freq_hz"], z[keep], capacity, cells[keep]


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
    """Features [n d] and covariances [n d d] that the fits say, by name."""
    key = jax.random.key(0)
    order = np.argsort(frequency)
    frequency, z = frequency[order], z[:, order]
    found = bp.eis.DRT().fit(frequency, z, key=key)
    keep = np.unique(np.linspace(0, len(frequency) - 1, AT_EACH).astype(int))
    noise = np.asarray(found.impedance(frequency).aleatoric)[:, keep]
    parts = np.stack([z.real, z.imag], axis=-1)[:, keep]
    size = np.abs(z[:, keep])
    bode = np.stack([np.log(size), np.angle(z[:, keep])], axis=-1)
    relative = np.repeat((noise.mean(-1) / size**2)[..., None], 2, axis=-1)
    times = found.coordinates(np.geomspace(*found.band_s, AT_EACH))
    circuit = bp.eis.Circuit(CIRCUIT).fit(frequency, z, key=key).coordinates
    return {
        "Re and Im": _independent(parts, noise),
        "magnitude and phase": _independent(bode, relative),
        "relaxation times": (np.asarray(times.mean), np.asarray(times.covariance)),
        "circuit": (np.asarray(circuit.mean), np.asarray(circuit.covariance)),
    }


def _independent(values, variance):
    count = len(values)
    variance = variance.reshape(count, -1)
    return values.reshape(count, -1), variance[:, None] * np.eye(variance.shape[1])


def of_repeats(x, repeats, known):
    """Covariance of repeats, pooled over the rows that are known: the same for all."""
    own = [x[known & (repeats == one)] for one in np.unique(repeats[known])]
    away = np.concatenate([rows - rows.mean(0) for rows in own])
    pooled = away.T @ away / (len(away) - len(own))
    return np.broadcast_to(pooled, (len(x), *pooled.shape))


def models(names):
    """A line with an offset for every cell, and a curve too with a line for every cell."""
    noise, own = Constant() + Known(), Categorical([CELL])
    line = Linear(features=names)
    kernel = line + Matern52(features=names) + own + own * line
    return {
        "line": BayesianLinear(noise, random_effects=True),
        "GP": GaussianProcess(kernel, noise),
    }


def held_out(model, x, covariance, y, cell):
    """Mean, and the probability said of less than y, from fits without the row's cell.

    `covariance` is a function of the rows known.
    """
    mean, place = np.zeros_like(y), np.zeros_like(y)
    codes = np.unique(cell, return_inverse=True)[1].astype(float)
    coded = isinstance(model, GaussianProcess)
    names = [f"x{i}" for i in range(x.shape[1])] + [CELL] * coded
    for code in np.unique(codes):
        test = codes == code
        errors = covariance(~test)
        rows = x
        if coded:
            rows = np.column_stack([x, np.where(test, -1.0, codes)])
            errors = np.pad(errors, ((0, 0), (0, 1), (0, 1)))
        data = bp.Dataset(
            rows[~test], y[~test], groups=cell[~test], feature_names=names
        )
        posterior = fit_first_order(model, data, errors[~test], key=jax.random.key(0))
        pred = predict_first_order(posterior.predict, rows[test], errors[test])
        mean[test], place[test] = pred.mean, pred.cdf(y[test])
    return mean, place


def peers(width):
    """Ridge and Gaussian processes of scikit-learn."""

    def few_steps(objective, start, bounds):
        found = minimize(
            objective, start, jac=True, bounds=bounds, options={"maxiter": 100}
        )
        return found.x, found.fun

    def process(length):
        kernel = ConstantKernel() * RBF(length) + WhiteKernel()
        return GaussianProcessRegressor(kernel, optimizer=few_steps, normalize_y=True)

    return {
        "ridge (scikit-learn)": BayesianRidge,
        "GPR, one length (scikit-learn)": lambda: process(5.0),
        "GPR, ARD (scikit-learn)": lambda: process(np.full(width, 5.0)),
    }


def peer_held_out(make, x, y, cell):
    """As `held_out`, of an estimator that answers Gaussians."""
    mean, sd = np.zeros_like(y), np.zeros_like(y)
    for one in np.unique(cell):
        test = cell == one
        model = make_pipeline(StandardScaler(), make()).fit(x[~test], y[~test])
        mean[test], sd[test] = model.predict(x[test], return_std=True)
    return mean, np.asarray(jax.scipy.stats.norm.cdf((y - mean) / sd))


def judged(frequency, z, y, cell, *, repeated):
    """RMSE and coverage of every representation and model, peers beside."""
    scores = {}

    def judge(name, answer):
        start = time.process_time()
        mean, place = answer()
        inside = (place > 0.05) & (place < 0.95)
        scores[name] = {
            "rmse": float(np.sqrt(np.mean((y - mean) ** 2))),
            "coverage": float(np.mean(inside)),
            "of each cell": [float(inside[cell == c].mean()) for c in np.unique(cell)],
            "seconds": time.process_time() - start,
        }
        print(name, scores[name], flush=True)

    repeats = np.char.add(cell, y.astype(str))
    for shape, (x, said) in representations(frequency, z).items():
        names = [f"x{i}" for i in range(x.shape[1])]

        def told(known, x=x, said=said):
            return of_repeats(x, repeats, known) if repeated else said

        def untold(_known, said=said):
            return np.zeros_like(said)

        for name, model in models(names).items():
            own = model, x
            judge(f"{shape}, {name}", lambda own=own: held_out(*own, told, y, cell))
            if name == "GP":
                judge(
                    f"{shape}, {name}, no errors told",
                    lambda own=own: held_out(*own, untold, y, cell),
                )
        for name, make in peers(x.shape[1]).items():
            own = make, x
            judge(f"{shape}, {name}", lambda own=own: peer_held_out(*own, y, cell))
    return scores


def main():
    """Run one question and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=("capacity", "soc"))
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
    bp.enable_x64()
    if options.question == "capacity":
        scores = judged(*zhang(8 if options.smoke else 40), repeated=False)
    else:
        scores = judged(*states_of_charge(2 if options.smoke else 6), repeated=True)
    print(f"\n{'':50}{'rmse':>8}{'coverage':>10}{'seconds':>9}")
    for name, own in scores.items():
        print(
            f"{name:50}{own['rmse']:8.3g}{own['coverage']:10.3f}{own['seconds']:9.1f}"
        )
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"spectra_{options.question}.json"
    path.write_text(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
