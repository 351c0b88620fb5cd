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
# # Incremental capacity with standard errors
#
# dQ/dV of one NCA/graphite cell (Raj et al. 2020): two C/4 charges, a C/24 discharge and a C/2
# discharge. The amount of smoothing is estimated from the data. The curve has a standard
# deviation at every voltage, and so have the position, height, width and area of every peak.

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
# The resolution of the analogue-to-digital converter is 0.15 mV and the sampling interval is 1 s.
# Consecutive readings within one step have the same rounding error, so only every k-th reading is
# used. Rows have different lengths and are padded with NaN.


# %%
def half_cycles(*segments, every):
    table = np.full((2, len(segments), 4000), np.nan)
    for row, segment in enumerate(segments):
        for column, name in zip(table, ("voltage_V", "capacity_Ah"), strict=True):
            values = record[f"{segment}__{name}"][::every]
            column[row, : len(values)] = values
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
close.set(
    xlim=(3.43, 3.56), ylim=(2.7, 4.4), title="the two peaks at low voltage, enlarged"
)
plt.show()

# %% [markdown]
# Positions of the peaks, and the differences between the two cycles in standard deviations of
# the difference. The positions agree. The heights need not agree, because the two charges follow
# different discharges.

# %%
print("  position, cycle 1     position, cycle 2     difference  height difference")
for track in np.flatnonzero(np.isfinite(peaks.position_v).all(0)):
    (first, second), sd = peaks.position_v[:, track], peaks.position_sd[:, track]
    difference = (second - first) / np.hypot(*sd)
    height = np.diff(peaks.height[:, track])[0] / np.hypot(*peaks.height_sd[:, track])
    print(
        f"  {first:.4f} ± {sd[0]:.4f} V    {second:.4f} ± {sd[1]:.4f} V"
        f"    {difference:+.1f} sd     {height:+.1f} sd"
    )

# %% [markdown]
# ## Two rates
#
# The C/24 discharge resolves the phase transitions (staging) that the C/2 discharge broadens and
# shifts. The two curves differ in smoothness, so each is fitted separately.

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
    tracks = np.flatnonzero(np.isfinite(peaks.position_v[0]))
    text = [
        f"{peaks.position_v[0, i]:.4f} ± {peaks.position_sd[0, i]:.4f} V"
        for i in tracks
    ]
    print(f"C/{rate}:", ", ".join(text))
plt.show()

# %% [markdown]
# ## Which window for a Savitzky–Golay filter?
#
# The usual method is a filter with a fixed window. Its mean squared error can be estimated without
# knowing the true curve: a wide window causes bias, a narrow window leaves variance. The example is
# dV/dQ of the first charge, whose readings are equally spaced in charge. Errors of readings a few
# seconds apart are correlated, which the estimate attributes to bias. With one reading every 12 s
# the correlation is negligible (the chosen window is about 12 minutes in both cases).

# %%
thinned = voltage_v[0][voltage_v[0] < 4.15][::3]
spacing = 3 * np.nanmean(np.diff(capacity_ah[0]))
risk = bp.features.window_risk(thinned, derivative=1, spacing=spacing)
bp.plots.window_risk(risk, unit="V²/Ah²")
plt.show()
