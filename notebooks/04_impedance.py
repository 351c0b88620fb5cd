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
# # Impedance: equivalent circuits with calibrated errors
#
# The impedance Z(f) is the ratio of voltage to a small current of frequency f. It separates the
# processes in a cell by their time constants. At kilohertz only the ohmic resistance matters (R0). At
# lower frequencies the double layers of two interfaces charge in parallel with the reaction (two
# depressed arcs, each a resistor in parallel with a constant-phase element). At millihertz lithium
# diffuses in the particles (a 45° line, the Warburg element W1). The circuit is fitted without an
# initial guess.

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
# The spectra have noise of 0.5 %. The fit estimates the noise and whether it is proportional to |Z|.
# The bands contain the noise (aleatoric) and the uncertainty of the parameters (epistemic).

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
# Sixteen measurements of the same cell: about 14 of the 90 % intervals should contain the true value.

# %%
num_covering = {}
for (name, (low, high)), value in zip(batch.interval(0.9).items(), truth, strict=True):
    num_covering[name] = int(np.sum((low < value) & (high > value)))
    print(f"{name:7s} {value:8.4g}  in {num_covering[name]} of 16 intervals")
print(f"coverage over all parameters {sum(num_covering.values()) / 128:.0%}")

# %% [markdown]
# ## A cell that ages
#
# In a sequence of spectra, each fit can use its neighbours: a parameter that stays constant is
# estimated from all spectra, and a parameter that changes is tracked. Here R1 doubles and nothing
# else changes.

# %%
cycle = np.arange(16) * 60.0
grown = np.tile(truth, (16, 1))
grown[:, 1] = np.linspace(0.008, 0.016, 16)
aged = np.stack([np.asarray(circuit.impedance(p, frequency_hz)) for p in grown])
aged = aged * (1 + 0.01 * (noise[0] + 1j * noise[1]))
independent = circuit.fit(frequency_hz, aged, key=key)
smoothed = bp.eis.smooth(independent, cycle)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for ax, name, column in zip(axes, ("R1", "CPE1_1"), (1, 3), strict=True):
    low, high = smoothed.interval(0.9)[name]
    ax.fill_between(cycle, low, high, alpha=0.3, label="smoothed, 90 %")
    value = independent.parameters[name]
    sd = independent.parameters.sd[:, column]
    ax.errorbar(cycle, value, 1.645 * sd, fmt="o", ms=3, label="independent, 90 %")
    ax.plot(cycle, grown[:, column], "k--", lw=1, label="truth")
    ax.set(xlabel="cycle")
    print(
        f"{name}: bands narrower by a factor of {np.median(2 * 1.645 * sd / (high - low)):.1f}"
    )
axes[0].set_ylabel("R1 (Ω)")
axes[1].set_ylabel("exponent of CPE1")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# ## Real spectra
#
# The example cell of impedance.py with the circuit from its documentation. The lowest frequency is
# too high for the finite length of the diffusion element to matter, so only a ratio of its two
# parameters is identified. The printed messages state this, and that the residuals are structured.

# %%
folder = pathlib.Path(os.environ.get("BATTPROB_DATA", "../../shared/data"))
real = folder / "eis_misc" / "eis.csv"
if real.is_file():
    rows = [
        row
        for row in csv.DictReader(real.read_text().splitlines())
        if row["spectrum"] == "liion_impedancepy"
    ]
    frequency, *parts = (
        np.array([float(row[c]) for row in rows])
        for c in ("freq_hz", "re_ohm", "im_ohm")
    )
    z = parts[0] + 1j * parts[1]
    capacitive = z.imag < 0
    frequency, z = frequency[capacitive], z[capacitive]
    documented = bp.eis.Circuit("R0-p(R1,C1)-p(R2-Wo1,C2)")
    example = documented.fit(frequency, z, key=key)
    print(example.parameters)
    print(example.verdict)
    bp.plots.bode(frequency, z, example.predict(frequency))
    plt.show()

# %% [markdown]
# ## Prediction of a repeated measurement
#
# An LG M50LT cell at a state of charge of 50 %. If a circuit leaves structure in the residuals
# ("misfit"), the estimated noise includes this misfit. The prediction of a second measurement is
# then as wide as the error of the circuit, here a third of a per cent.

# %%
real = folder / "eis_lgm50lt" / "eis_first.csv"
if real.is_file():
    table = np.genfromtxt(real, delimiter=",", names=True)
    half = table[table["soc_percent"] == 50]
    frequency, z = half["freq_hz"], half["re_ohm"] + 1j * half["im_ohm"]
    model = bp.eis.Circuit("L1-R0-p(R1,CPE1)-p(R2,CPE2)-Won1")
    cell = model.fit(frequency, z, key=key)
    print(cell.parameters)
    print(cell.verdict)
    repeat = cell.predict(frequency)
    relative_sd = np.sqrt(np.asarray(repeat.variance).sum(-1)) / np.abs(z)
    print(
        f"sd of a repeated measurement: {np.median(relative_sd):.2%} of |Z| "
        "(median over frequencies)"
    )
    _, ax = plt.subplots(figsize=(4, 6), layout="constrained")
    bp.plots.nyquist(z, repeat, ax=ax)
    plt.show()
