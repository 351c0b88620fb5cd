# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Impedance beyond circuits
#
# Three analyses that need no equivalent circuit: the distribution of relaxation times of a spectrum,
# the consistency of a spectrum with the Kramers–Kronig relations, and the prediction of capacity.

# %%
import os
import pathlib

import jax
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LeaveOneGroupOut

import battprob as bp
from battprob.features import fit_first_order, predict_first_order
from battprob.kernels import Categorical, Linear, Matern52
from battprob.noise import Constant, Known

bp.enable_x64()
key = jax.random.key(0)
rng = np.random.default_rng(0)
frequency_hz = np.logspace(-4, 4, 81)
cycle = np.arange(8) * 100
s = 2j * np.pi * frequency_hz
growing = 30 + 40 * (cycle / 700)[:, None]
exact = 20 + 50 / (1 + (0.1 * s) ** 0.8)[None] + growing / (1 + (10 * s) ** 0.8)[None]
noise = rng.normal(size=(2, *exact.shape))
spectra = exact + 0.5 * (noise[0] + 1j * noise[1])

# %% [markdown]
# ## Relaxation times
#
# $Z = R_\infty + j\omega L + \int \gamma(\ln\tau) / (1 + j\omega\tau)\, d\ln\tau$. Under the
# prior γ is positive, and its logarithm is nearly linear where γ is small and may curve where γ is
# large. The posterior averages over the noise variance, its dependence on |Z| and the smoothness. The
# bands are intervals of γ itself.

# %%
posterior = bp.eis.DRT().fit(frequency_hz, spectra, key=key)
tau_s = np.geomspace(3e-4, 3e3, 150)


def zarc(resistance, centre):
    x = np.log(tau_s / centre)
    return (
        resistance
        / 2
        / np.pi
        * np.sin(0.2 * np.pi)
        / (np.cosh(0.8 * x) - np.cos(0.2 * np.pi))
    )


figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for row in (0, 7):
    bp.plots.relaxation_times(
        tau_s, posterior[row].predict(tau_s), ax=axes[0], label=f"cycle {cycle[row]}"
    )
    axes[0].plot(tau_s, zarc(50, 0.1) + zarc(growing[row, 0], 10), "k--", lw=0.8)
peaks = posterior.peaks()
for column, (label, tau) in enumerate((("fast", 0.1), ("slow", 10.0))):
    nearest = [np.argmin(np.abs(np.log(each.tau_s / tau))) for each in peaks]
    area = [each.area_ohm[i] for each, i in zip(peaks, nearest, strict=True)]
    error = [each.area_sd[i] for each, i in zip(peaks, nearest, strict=True)]
    axes[1].errorbar(cycle, area, error, fmt="o", color=f"C{column}", label=label)
axes[1].plot(cycle, growing[:, 0], "k--", lw=0.8, label="truth")
axes[1].axhline(50, color="k", ls="--", lw=0.8)
axes[1].set(xlabel="cycle", ylabel="area of peak (Ω)")
axes[1].legend(frameon=False)
plt.show()
print(peaks[0])

# %% [markdown]
# ## Consistency with the Kramers–Kronig relations
#
# In the second spectrum the impedance drifted by 5 % during the frequency sweep. No single residual is
# outside the limits, but neighbouring residuals are correlated. The test projects them on the
# deviations that a slow drift causes and no RC ladder can fit, and returns a p-value.

# %%
sweep = np.linspace(0, 1, 81)[::-1]
stable = bp.eis.kramers_kronig(frequency_hz, spectra[0])
drifting = bp.eis.kramers_kronig(frequency_hz, spectra[0] * (1 + 0.05 * sweep))
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
for ax, (name, check) in zip(
    axes, {"stable": stable, "drifting": drifting}.items(), strict=True
):
    bp.plots.consistency(frequency_hz, check.residual, check.outlier, ax=ax)
    ax.set_title(f"{name}: p = {float(check.p_value):.2g}")
plt.show()
print(drifting)

# %% [markdown]
# ## Capacity from a spectrum
#
# Ageing coin cells (Zhang et al. 2020; needs the folder `BATTPROB_DATA`). Each cell is predicted from the
# three others. The model has a linear and a nonlinear function common to all cells, and an offset and a
# linear function for each cell, so that the interval of a new cell includes the differences between
# cells. Left: the features are the real and imaginary parts. Middle: the relevance of each feature, which
# is its inverse squared lengthscale. Right: the features are the parameters of a circuit, and the
# covariance of their errors is propagated into the noise.

# %%
folder = pathlib.Path(os.environ.get("BATTPROB_DATA", "../../shared/data"))
path = folder / "eis_zhang2020" / "zhang2020.npz"


def model(names, noise):
    cell, line = Categorical(["cell"]), Linear(features=names)
    return bp.models.GaussianProcess(
        line + Matern52(features=names) + cell + cell * line, noise
    )


def dataset(values, names, rows):
    code = np.unique(cells[rows], return_inverse=True)[1].astype(float)
    return bp.Dataset(
        np.column_stack([values, code]),
        pack["capacity_mAh"][rows].astype(float),
        groups=cells[rows],
        feature_names=[*names, "cell"],
        target_name="capacity",
        target_unit="mAh",
    )


if path.exists():
    pack = np.load(path)
    cells = pack["cell"].astype(str)
    rows_by_cell = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
    rows = np.concatenate(
        [each[np.linspace(0, len(each) - 1, 20).astype(int)] for each in rows_by_cell]
    )
    z = (pack["re"][rows] - 1j * pack["minus_im"][rows]) * float(pack["scale"])
    keep = np.linspace(0, 59, 12).astype(int)
    frequency_kept = pack["freq_hz"][keep]
    names = [f"{part} {f:.3g} Hz" for f in frequency_kept for part in ("Re", "Im")]
    parts = np.stack([z.real, z.imag], axis=-1)[:, keep].reshape(len(z), -1)
    data = dataset(parts, names, rows)
    parts_model = model(names, Constant())
    folds = bp.evaluate.cross_validate(
        parts_model, data, splits=LeaveOneGroupOut(), key=key, progress=False
    )
    print(folds.table())
    matern = parts_model.fit(data.without("groups"), key=key).kernel.first.first.second
    relevance = np.asarray(matern.lengthscale)[0] ** -2.0

    fitted = bp.eis.Circuit("R0-p(R1,CPE1)-p(R2,CPE2)-CPE3").fit(
        pack["freq_hz"], z, key=key
    )
    parameters = fitted.coordinates
    errors = np.pad(np.asarray(parameters.covariance), ((0, 0), (0, 1), (0, 1)))
    circuit_data = dataset(np.asarray(parameters.mean), parameters.names, rows)
    circuit_model = model(parameters.names, Constant() + Known())
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    bp.plots.parity(folds.predictive, folds.y, ax=axes[0])
    bp.plots.relevance(frequency_kept, relevance.reshape(-1, 2), ax=axes[1])
    codes = np.asarray(circuit_data.x)[:, -1]
    moments = np.zeros((3, len(codes)))
    for code in np.unique(codes):
        test = codes == code
        posterior = fit_first_order(
            circuit_model,
            circuit_data.take(np.flatnonzero(~test)).without("groups"),
            errors[~test],
            key=key,
        )
        new = np.asarray(circuit_data.x)[test]
        new[:, -1] = -1  # the code of a new cell
        pred = predict_first_order(posterior.predict, new, errors[test])
        moments[:, test] = pred.mean, pred.aleatoric, pred.epistemic
    all_cells = bp.Predictive.gaussian(*moments)
    bp.plots.parity(all_cells, circuit_data.y, ax=axes[2])
    for ax, title in zip(
        axes, ("Re and Im", "relevance", "circuit, with errors"), strict=True
    ):
        ax.set_title(title)
    plt.show()
else:
    print("Set the environment variable BATTPROB_DATA to the folder with the data.")

# %% [markdown]
# **Which representation is best?** Two data sets give no clear answer. The table has the root mean square error
# of a Gaussian process and the coverage of its 90 % interval, with whole cells left out (`benchmarks/spectra.py`):
#
# | features | capacity (mAh) | state of charge (%) |
# |---|---|---|
# | relaxation times | 2.2, coverage 0.73 | 13 |
# | circuit parameters | 2.4, coverage 0.88 (without propagated errors 4.7) | 8.2, coverage 0.88 |
# | real and imaginary parts | 3.2, coverage 0.99 (with propagated errors 6.5, 0.74) | 7.6, coverage 0.96 |
# | magnitude and phase | 5.0 to 5.3 | 6.8, coverage 0.96 |
#
# Capacity: 160 spectra of 4 cells. State of charge: 180 spectra of 3 batteries. Textbooks recommend the complex
# numbers over magnitude and phase. These data neither support nor contradict that: with 3 and 4 cells the
# differences between representations are as large as those between cells. Propagating the errors helps most for
# the circuit of ageing cells, whose parameters differ much in their accuracy.
