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
# Three questions that need no circuit: which relaxation times a spectrum has, whether it may be
# believed at all, and what it says of the cell's capacity.

# %%
import os
import pathlib

import jax
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LeaveOneGroupOut

import battprob as bp
from battprob.kernels import Categorical, Matern52

bp.enable_x64()
key = jax.random.key(0)
rng = np.random.default_rng(0)
frequency_hz = np.logspace(-4, 4, 81)
cycle = np.arange(8) * 100
turn = 2j * np.pi * frequency_hz
growing = 30 + 40 * (cycle / 700)[:, None]
exact = (
    20 + 50 / (1 + (0.1 * turn) ** 0.8)[None] + growing / (1 + (10 * turn) ** 0.8)[None]
)
noise = rng.normal(size=(2, *exact.shape))
spectra = exact + 0.5 * (noise[0] + 1j * noise[1])

# %% [markdown]
# ## Relaxation times
#
# $Z = R_\infty + j\omega L + \int \gamma(\ln\tau) / (1 + j\omega\tau)\, d\ln\tau$. The prior knows that
# γ is positive, and that its logarithm is straight where γ is small and may bend where it is
# large. Noise level, noise law and smoothness are averaged over. The bands are of γ itself.

# %%
found = bp.eis.DRT().fit(frequency_hz, spectra, key=key)
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
        tau_s, found[row].predict(tau_s), ax=axes[0], label=f"cycle {cycle[row]}"
    )
    axes[0].plot(tau_s, zarc(50, 0.1) + zarc(growing[row, 0], 10), "k--", lw=0.8)
peaks = found.peaks()
for place, (label, at) in enumerate((("fast", 0.1), ("slow", 10.0))):
    near = [np.argmin(np.abs(np.log(own.tau_s / at))) for own in peaks]
    area = [own.area_ohm[i] for own, i in zip(peaks, near, strict=True)]
    error = [own.area_sd[i] for own, i in zip(peaks, near, strict=True)]
    axes[1].errorbar(cycle, area, error, fmt="o", color=f"C{place}", label=label)
axes[1].plot(cycle, growing[:, 0], "k--", lw=0.8, label="truth")
axes[1].axhline(50, color="k", ls="--", lw=0.8)
axes[1].set(xlabel="cycle", ylabel="area of peak (Ω)")
axes[1].legend(frameon=False)
plt.show()
print(peaks[0])

# %% [markdown]
# ## May it be believed?
#
# The cell of the second spectrum drifted by 5 % while it was swept. No residual is beyond the limits,
# and yet neighbours agree: the test looks along what a slow drift leaves beside every
# RC ladder, and states a p-value.

# %%
sweep = np.linspace(0, 1, 81)[::-1]
still = bp.eis.kramers_kronig(frequency_hz, spectra[0])
moving = bp.eis.kramers_kronig(frequency_hz, spectra[0] * (1 + 0.05 * sweep))
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
for ax, (name, check) in zip(
    axes, {"still": still, "drifting": moving}.items(), strict=True
):
    bp.plots.consistency(frequency_hz, check.residual, check.outlier, ax=ax)
    ax.set_title(f"{name}: p = {float(check.p_value):.2g}")
plt.show()
print(moving)

# %% [markdown]
# ## What a spectrum says of capacity
#
# Ageing coin cells (Zhang et al. 2020, where present): each cell is predicted from the others. One
# length a frequency and part tells which of them matter (its inverse square is drawn); an
# offset for every cell keeps the error of a new cell honest. Over 160 spectra of four cells
# (`benchmarks/spectra.py`, whole cells held out) the parameters of a circuit did best (1.8 mAh), then
# relaxation times (2.6), magnitude and phase (3.9) and last Re and Im (4.6): what is alike between cells
# is resistances and times, and at so few cells their logarithms carry over where raw ohms do not. The
# textbook's advice, to work on the complex numbers, holds for fitting, where errors are even.

# %%
folder = pathlib.Path(os.environ.get("BATTPROB_DATA", "../../shared/data"))
path = folder / "eis_zhang2020" / "zhang2020.npz"
if path.exists():
    pack = np.load(path)
    cells = pack["cell"].astype(str)
    rows = np.concatenate(
        [
            np.flatnonzero(cells == cell)[
                np.linspace(0, np.sum(cells == cell) - 1, 20).astype(int)
            ]
            for cell in np.unique(cells)
        ]
    )
    keep = np.linspace(0, 59, 12).astype(int)
    parts = [pack["re"][rows][:, keep], -pack["minus_im"][rows][:, keep]]
    parts = np.concatenate(parts, axis=1) * float(pack["scale"])
    names = [
        f"{part} {f:.3g} Hz" for part in ("Re", "Im") for f in pack["freq_hz"][keep]
    ]
    code = np.unique(cells[rows], return_inverse=True)[1].astype(float)
    data = bp.Dataset(
        np.concatenate([parts, code[:, None]], axis=1),
        pack["capacity_mAh"][rows].astype(float),
        groups=cells[rows],
        feature_names=[*names, "cell"],
        target_name="capacity",
        target_unit="mAh",
    )
    model = bp.models.GaussianProcess(Matern52(features=names) + Categorical(["cell"]))
    held_out = bp.evaluate.cross_validate(
        model, data, LeaveOneGroupOut(), key=key, progress=False
    )
    print(held_out.table())
    kernel = model.fit(data, key=key).kernel.first
    relevance = np.asarray(kernel.lengthscale)[0] ** -2.0
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    bp.plots.parity(held_out.predictive, held_out.y, ax=axes[0])
    for half, label in ((slice(0, 12), "Re"), (slice(12, 24), "Im")):
        axes[1].semilogx(pack["freq_hz"][keep], relevance[half], "o-", label=label)
    axes[1].set(xlabel="frequency (Hz)", ylabel="relevance (1/length²)")
    axes[1].legend(frameon=False)
    plt.show()
else:
    print("Set BATTPROB_DATA to the folder of real data to see them here.")
