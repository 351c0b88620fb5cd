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
# # Impedance: circuits whose errors can be believed
#
# A cell answers a small current of frequency f by a voltage; their ratio Z(f) sorts its
# processes by speed. At kilohertz only electrons and ions in the electrolyte move (R0). Below, the
# double layers of two interfaces charge through the resistance of the reaction there (two
# depressed arcs: a resistor beside a constant-phase element). At millihertz lithium
# diffuses in the particles (a 45° line: Warburg's W1). A circuit is fitted without a guess.

# %%
import csv
import os
import pathlib

import jax
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)
circuit = bp.eis.Circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1")
truth = [0.02, 0.008, 0.35, 0.85, 0.015, 10.6, 0.8, 2.5e-3]
frequency_hz = np.logspace(4, -2, 60)
exact = np.asarray(circuit.impedance(truth, frequency_hz))
rng = np.random.default_rng(0)
noise = rng.normal(size=(2, 16, 60))
spectra = exact * (1 + 0.005 * (noise[0] + 1j * noise[1]))

# %% [markdown]
# ## One cell
#
# Noise of 0.5 % was added; the fit is not told how much, nor whether it grows with |Z|. Its
# bands hold the noise (aleatoric) and what is left open of the parameters (epistemic).

# %%
batch = circuit.fit(frequency_hz, spectra, key=key)
fitted = batch[0]
predicted = fitted.predict(frequency_hz)
print(fitted.parameters)
print(fitted.verdict)

# %%
figure, axes = plt.subplots(
    1, 2, figsize=(11, 3.2), width_ratios=(2, 1.2), layout="constrained"
)
bp.plots.nyquist(spectra[0], predicted, ax=axes[0])
bp.plots.spectrum_residuals(frequency_hz, spectra[0], predicted, ax=axes[1])
plt.show()

# %% [markdown]
# Sixteen measurements of the same cell: the 90 % intervals should hold the truth in about 14.

# %%
held = {}
for (name, (low, high)), value in zip(batch.interval(0.9).items(), truth, strict=True):
    held[name] = int(np.sum((low < value) & (high > value)))
    print(f"{name:7s} {value:8.4g}  in {held[name]} of 16 intervals")
print(f"in all {sum(held.values()) / 128:.0%}")

# %% [markdown]
# ## A cell that ages
#
# Along a sequence neighbours inform each other: what stays the same is measured by all spectra
# together, what moves is followed. R1 doubles here and nothing else changes.

# %%
cycle = np.arange(16) * 60.0
grown = np.tile(truth, (16, 1))
grown[:, 1] = np.linspace(0.008, 0.016, 16)
aged = np.stack([np.asarray(circuit.impedance(p, frequency_hz)) for p in grown])
aged = aged * (1 + 0.01 * (noise[0] + 1j * noise[1]))
alone = circuit.fit(frequency_hz, aged, key=key)
path = bp.eis.smooth(alone, cycle)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for ax, name, column in zip(axes, ("R1", "CPE1_1"), (1, 3), strict=True):
    low, high = path.interval(0.9)[name]
    ax.fill_between(cycle, low, high, alpha=0.3, label="with neighbours, 90 %")
    value, sd = alone.parameters[name], alone.parameters.sd[:, column]
    ax.errorbar(cycle, value, 1.645 * sd, fmt="o", ms=3, label="each alone, 90 %")
    ax.plot(cycle, grown[:, column], "k--", lw=1, label="truth")
    ax.set(xlabel="cycle")
    print(f"{name}: bands narrower by {np.median(2 * 1.645 * sd / (high - low)):.1f}")
axes[0].set_ylabel("R1 (Ω)")
axes[1].set_ylabel("exponent of CPE1")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# ## Real spectra
#
# The example cell of impedance.py with its documented circuit. The spectrum ends before lithium
# reaches the wall of the diffusion element, so that only a ratio of its two parameters is known,
# and that is said; so is that the circuit leaves a pattern in the residuals.

# %%
folder = pathlib.Path(os.environ.get("BATTPROB_DATA", "../../shared/data"))
real = folder / "eis_misc" / "eis.csv"
if real.is_file():
    rows = [
        row
        for row in csv.DictReader(real.read_text().splitlines())
        if row["spectrum"] == "liion_impedancepy"
    ]
    at, *parts = (
        np.array([float(row[c]) for row in rows])
        for c in ("freq_hz", "re_ohm", "im_ohm")
    )
    z = parts[0] + 1j * parts[1]
    capacitive = z.imag < 0
    at, z = at[capacitive], z[capacitive]
    documented = bp.eis.Circuit("R0-p(R1,C1)-p(R2-Wo1,C2)")
    example = documented.fit(at, z, key=key)
    print(example.parameters)
    print(example.verdict)
    bp.plots.bode(at, z, example.predict(at))
    plt.show()

# %% [markdown]
# ## One more measurement
#
# An LG M50LT at a state of charge of 50 %. What would a second measurement give? Where a
# circuit leaves structure in the residuals ("misfit"), its noise counts that as error: the
# prediction is as wide as the circuit is wrong, here a third of a percent.

# %%
real = folder / "eis_lgm50lt" / "eis_first.csv"
if real.is_file():
    table = np.genfromtxt(real, delimiter=",", names=True)
    own = table[table["soc_percent"] == 50]
    at, z = own["freq_hz"], own["re_ohm"] + 1j * own["im_ohm"]
    cell = bp.eis.Circuit("L1-R0-p(R1,CPE1)-p(R2,CPE2)-Won1").fit(at, z, key=key)
    print(cell.parameters)
    print(cell.verdict)
    ahead = cell.predict(at)
    share = np.sqrt(np.asarray(ahead.variance).sum(-1)) / np.abs(z)
    print(f"sd of a repeat: {np.median(share):.2%} of |Z|, median over frequencies")
    _, ax = plt.subplots(figsize=(4, 6), layout="constrained")
    bp.plots.nyquist(z, ahead, ax=ax)
    plt.show()
