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
# dQ/dV of two repeated C/4 charges of one NCA cell, the smoothing chosen by the data, a
# standard deviation at every voltage, and peaks that carry their own errors.

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
# Cycles differ in length: pad with NaN. The converter's step is about 0.15 mV.


# %%
def padded(quantity, every=4):
    rows = [record[f"cycle{c}_charge_C4__{quantity}"][::every] for c in (1, 2)]
    table = np.full((2, max(map(len, rows))), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


voltage_v, capacity_ah = padded("voltage_V"), padded("capacity_Ah")
grid_v = np.linspace(3.3, 4.15, 850)
curve = bp.features.differential_capacity(
    voltage_v, capacity_ah, grid_v, quantum_v=1.5e-4
)
peaks = bp.features.ica_peaks(curve, grid_v)

# %%
ax = bp.plots.incremental_capacity(grid_v, curve, labels=["cycle 1", "cycle 2"])
plt.show()

# %% [markdown]
# The peaks of both cycles agree within their errors:

# %%
for track in np.flatnonzero(np.isfinite(peaks.position_v).all(0)):
    first, second = np.asarray(peaks.position_v)[:, track]
    sd = np.sqrt((np.asarray(peaks.position_sd)[:, track] ** 2).sum())
    print(f"{first:.4f} V, {second:.4f} V: {(second - first) / sd:+.1f} sd apart")
