"""Capacity and state of charge from impedance spectra: representations and models.

    .venv/bin/python benchmarks/spectra.py capacity|soc [--smoke]

Cross-validation leaves out whole cells. The representations are Re and Im, magnitude and phase,
relaxation times (log γ) and parameters of a circuit, each with the covariance of its errors: the
posterior covariance of the fit for capacity, the covariance of repeated spectra of the training
cells for the state of charge. The errors are propagated to first order into the noise variance of
each row, in training and in prediction. The GP has a linear and a nonlinear function common to all
cells, and an offset and a linear function for each cell. The linear model is `BayesianLinear` with
an offset for each cell. The peers (scikit-learn's ridge, and its GPR with one lengthscale or one per
feature, no restarts, at most 100 steps) get the same rows. BATTPROB_DATA is the folder of data.
Writes benchmarks/results/spectra_TARGET.json.
"""

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
from battprob.cli.arguments import Parser
from battprob.features import fit_first_order, predict_first_order
from battprob.kernels import Categorical, Linear, Matern52
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known

RESULTS = pathlib.Path(__file__).parent / "results"
DATA = pathlib.Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-CPE3"
CELL = "cell"
NUM_POINTS = 15  # frequencies or relaxation times used


def zhang(count):
    """Frequencies, spectra, capacities in mAh and cells, `count` spectra of each cell."""
    pack = np.load(DATA / "eis_zhang2020" / "zhang2020.npz")
    z = (pack["re"] - 1j * pack["minus_im"]) * pack["scale"]
    cells = pack["cell"].astype(str)
    by_cell = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
    keep = np.concatenate(
        [rows[np.linspace(0, len(rows) - 1, count).astype(int)] for rows in by_cell]
    )
    capacity = pack["capacity_mAh"][keep].astype(float)
    return pack["freq_hz"], z[keep], capacity, cells[keep]


def states_of_charge(count):
    """Frequencies, spectra, states of charge in % and cells, `count` runs of each cell."""
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
    """Features [n d] and covariances of their errors [n d d], by name."""
    key = jax.random.key(0)
    order = np.argsort(frequency)
    frequency, z = frequency[order], z[:, order]
    drt = bp.eis.DRT().fit(frequency, z, key=key)
    keep = np.unique(np.linspace(0, len(frequency) - 1, NUM_POINTS).astype(int))
    noise = np.asarray(drt.impedance(frequency).aleatoric)[:, keep]
    parts = np.stack([z.real, z.imag], axis=-1)[:, keep]
    size = np.abs(z[:, keep])
    bode = np.stack([np.log(size), np.angle(z[:, keep])], axis=-1)
    relative = np.repeat((noise.mean(-1) / size**2)[..., None], 2, axis=-1)
    times = drt.coordinates(np.geomspace(*drt.band_s, NUM_POINTS))
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
    """Pooled covariance of repeats among the known rows, the same for every row."""
    sets = [x[known & (repeats == name)] for name in np.unique(repeats[known])]
    centred = np.concatenate([rows - rows.mean(0) for rows in sets])
    pooled = centred.T @ centred / (len(centred) - len(sets))
    return np.broadcast_to(pooled, (len(x), *pooled.shape))


def models(names):
    """The linear model and the Gaussian process."""
    noise, cell = Constant() + Known(), Categorical([CELL])
    line = Linear(features=names)
    kernel = line + Matern52(features=names) + cell + cell * line
    return {
        "linear": BayesianLinear(noise, random_effects=True),
        "GP": GaussianProcess(kernel, noise),
    }


def cross_validated(model, x, covariance, y, cell):
    """Mean and cdf at y, predicted for each cell by a fit to the other cells.

    `covariance` is a function of the mask of training rows.
    """
    mean, pit = np.zeros_like(y), np.zeros_like(y)
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
        groups = None if coded else cell[~test]
        data = bp.Dataset(rows[~test], y[~test], groups=groups, feature_names=names)
        posterior = fit_first_order(model, data, errors[~test], key=jax.random.key(0))
        pred = predict_first_order(posterior.predict, rows[test], errors[test])
        mean[test], pit[test] = pred.mean, pred.cdf(y[test])
    return mean, pit


def peers(width):
    """Ridge and Gaussian processes of scikit-learn."""

    def few_steps(objective, start, bounds):
        result = minimize(
            objective, start, jac=True, bounds=bounds, options={"maxiter": 100}
        )
        return result.x, result.fun

    def process(length):
        kernel = ConstantKernel() * RBF(length) + WhiteKernel()
        return GaussianProcessRegressor(kernel, optimizer=few_steps, normalize_y=True)

    return {
        "ridge (scikit-learn)": BayesianRidge,
        "GPR, one length (scikit-learn)": lambda: process(5.0),
        "GPR, ARD (scikit-learn)": lambda: process(np.full(width, 5.0)),
    }


def peer_cross_validated(make, x, y, cell):
    """As `cross_validated`, for an estimator with Gaussian predictions."""
    mean, sd = np.zeros_like(y), np.zeros_like(y)
    for name in np.unique(cell):
        test = cell == name
        model = make_pipeline(StandardScaler(), make()).fit(x[~test], y[~test])
        mean[test], sd[test] = model.predict(x[test], return_std=True)
    return mean, np.asarray(jax.scipy.stats.norm.cdf((y - mean) / sd))


def all_scores(frequency, z, y, cell, *, repeated):
    """RMSE and coverage of every representation and model, and of the peers."""
    scores = {}

    def score(name, predict):
        start = time.process_time()
        mean, pit = predict()
        inside = (pit > 0.05) & (pit < 0.95)
        scores[name] = {
            "rmse": float(np.sqrt(np.mean((y - mean) ** 2))),
            "coverage": float(np.mean(inside)),
            "coverage by cell": [
                float(inside[cell == c].mean()) for c in np.unique(cell)
            ],
            "seconds": time.process_time() - start,
        }
        print(name, scores[name], flush=True)

    repeats = np.char.add(cell, y.astype(str))
    for shape, (x, covariance) in representations(frequency, z).items():
        names = [f"x{i}" for i in range(x.shape[1])]

        def errors(known, x=x, covariance=covariance):
            return of_repeats(x, repeats, known) if repeated else covariance

        def no_errors(_known, covariance=covariance):
            return np.zeros_like(covariance)

        for name, model in models(names).items():
            score(
                f"{shape}, {name}",
                lambda m=model, x=x, e=errors: cross_validated(m, x, e, y, cell),
            )
            if name == "GP":
                score(
                    f"{shape}, {name}, errors ignored",
                    lambda m=model, x=x, e=no_errors: cross_validated(m, x, e, y, cell),
                )
        for name, make in peers(x.shape[1]).items():
            score(
                f"{shape}, {name}",
                lambda make=make, x=x: peer_cross_validated(make, x, y, cell),
            )
    return scores


def main():
    """Run all models for one target, print and write the scores."""
    parser = Parser(description=__doc__)
    parser.add_argument("target", choices=("capacity", "soc"))
    parser.add_argument("--smoke", action="store_true", help="few spectra")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
    bp.enable_x64()
    if options.target == "capacity":
        scores = all_scores(*zhang(8 if options.smoke else 40), repeated=False)
    else:
        scores = all_scores(*states_of_charge(2 if options.smoke else 6), repeated=True)
    print(f"\n{'':50}{'rmse':>8}{'coverage':>10}{'seconds':>9}")
    for name, row in scores.items():
        print(
            f"{name:50}{row['rmse']:8.3g}{row['coverage']:10.3f}{row['seconds']:9.1f}"
        )
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"spectra_{options.target}.json"
    path.write_text(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
