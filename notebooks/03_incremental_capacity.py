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
# # Incremental capacity with error bars
#
# dQ/dV of one NCA/graphite cell (Raj et al. 2020): two repeated C/4 charges, a C/24 and a
# C/2 discharge. The smoothing is chosen by the data, every voltage has a standard
# deviation, and peaks carry their own errors.

# %%
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
folder = pathlib.Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
record = np.load(folder / "raj2020_vq" / "vq.npz")

# %% [markdown]
# The converter's step is 0.15 mV and a reading is taken every second. Readings within one
# step share their rounding, so keep every k-th; rows differ in length, so pad with NaN.


# %%
def half_cycles(*segments, every):
    table = np.full((2, len(segments), 4000), np.nan)
    for row, segment in enumerate(segments):
        for place, name in zip(table, ("voltage_V", "capacity_Ah"), strict=True):
            values = record[f"{segment}__{name}"][::every]
            place[row, : len(values)] = values
    return table


voltage_v, capacity_ah = half_cycles("cycle1_charge_C4", "cycle2_charge_C4", every=4)
grid_v = np.linspace(3.3, 4.15, 850)
curve = bp.features.differential_capacity(
    voltage_v, capacity_ah, grid_v, quantum_v=1.5e-4
)
peaks = bp.features.ica_peaks(curve, grid_v)

# %%
fig, (whole, close) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
names = ["cycle 1", "cycle 2"]
bp.plots.incremental_capacity(grid_v, curve, labels=names, ax=whole)
bp.plots.incremental_capacity(grid_v, curve, ax=close)
close.set(xlim=(3.43, 3.56), ylim=(2.7, 4.4), title="the two peaks on the left, closer")
plt.show()

# %% [markdown]
# Where the peaks are, and how far the second cycle lies from the first in standard
# deviations of the difference. The places agree. Heights need not: the second charge
# follows another discharge.

# %%
print("  cycle 1               cycle 2               apart   height apart")
for track in np.flatnonzero(np.isfinite(peaks.position_v).all(0)):
    (first, second), sd = peaks.position_v[:, track], peaks.position_sd[:, track]
    apart = (second - first) / np.hypot(*sd)
    height = np.diff(peaks.height[:, track])[0] / np.hypot(*peaks.height_sd[:, track])
    print(
        f"  {first:.4f} ± {sd[0]:.4f} V    {second:.4f} ± {sd[1]:.4f} V"
        f"    {apart:+.1f} sd    {height:+.1f} sd"
    )

# %% [markdown]
# ## Two rates
#
# The C/24 sweep shows the staging that the C/2 discharge blurs and shifts. Each has its
# own roughness, so each is fitted by itself.

# %%
grid_v = np.linspace(3.3, 4.1, 800)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for segment, every in (("pocv_discharge_C24", 24), ("discharge_C2", 3)):
    curve = bp.features.differential_capacity(
        *half_cycles(segment, every=every), grid_v, quantum_v=1.5e-4
    )
    rate = segment.split("_C")[1]
    bp.plots.incremental_capacity(grid_v, curve, labels=[f"C/{rate}"], ax=ax)
    peaks = bp.features.ica_peaks(curve, grid_v)
    found = np.flatnonzero(np.isfinite(peaks.position_v[0]))
    text = [
        f"{peaks.position_v[0, i]:.4f} ± {peaks.position_sd[0, i]:.4f} V" for i in found
    ]
    print(f"C/{rate}:", ", ".join(text))
plt.show()

# %% [markdown]
# ## Which window for a Savitzky–Golay filter?
#
# The classical way is a filter of fixed window. Its mean squared error can be estimated
# without knowing the truth: a wide window blurs (bias), a narrow one lets noise through
# (variance). Here for dV/dQ of the first charge, whose readings are even in charge. Errors a
# few seconds apart are a little alike, which the estimate takes for bias; one reading in
# 12 s is nearly free of that (either way the choice comes to about 12 minutes).

# %%
kept = voltage_v[0][voltage_v[0] < 4.15][::3]
spacing = 3 * np.nanmean(np.diff(capacity_ah[0]))
risk = bp.features.window_risk(kept, derivative=1, spacing=spacing)
bp.plots.window_risk(risk, unit="V²/Ah²")
plt.show()
