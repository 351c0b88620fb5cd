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
# # Your own files
#
# From the file that an instrument wrote to a table of features. The files here are small and
# invented, so the notebook runs without data. Each shows one habit of real files: a current without a
# sign, a counter with a false reading, a spectrum with the wrong sign, a test that was restarted. The
# formats are described in `docs/formats`.

# %%
import os
import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

import battprob as bp

# %matplotlib inline
data = pathlib.Path(os.environ.get("BATTPROB_DATA", "../../shared/data")).resolve()
os.chdir(tempfile.mkdtemp())


# %% [markdown]
# `cycled` returns the rows of a log: charge and discharge at 1 A with rests, one row a minute. The
# counters of charge start again in each step.


# %%
def cycled(num_cycles, capacity_ah=1.0, fade_ah=0.0, seed=0):
    """Rows of a log as a data frame, current positive while charging."""
    noise = np.random.default_rng(seed)
    steps, start_s = [], 0.0
    for cycle in range(1, num_cycles + 1):
        capacity = capacity_ah - fade_ah * cycle - 0.002 * noise.random()
        for state, current, hours in (
            ("C", 1.0, capacity),
            ("R", 0.0, 0.1),
            ("D", -1.0, capacity),
            ("R", 0.0, 0.1),
        ):
            step_s = np.append(np.arange(0, 3600 * hours - 1, 60), 3600 * hours)
            filled = {"C": 0.0, "D": 1.0}.get(state, float(current_end(steps)))
            soc = np.clip(filled + current * step_s / 3600 / capacity, 0, 1)
            slope = np.log((soc + 0.01) / (1.01 - soc))
            voltage = 3.65 + 0.08 * slope + 0.12 * np.tanh(9 * (soc - 0.55))
            rows = pd.DataFrame({"step_s": step_s})
            rows["time_s"] = start_s + step_s
            rows["cycle"], rows["step"], rows["state"] = cycle, len(steps) + 1, state
            rows["current_a"] = current
            rows["voltage_v"] = voltage + 0.04 * current
            rows["voltage_v"] += 1e-4 * noise.normal(size=len(rows))
            rows["charge_ah"] = np.abs(current) * step_s / 3600
            rows["soc"] = soc
            steps.append(rows)
            start_s += 3600 * hours
    return pd.concat(steps, ignore_index=True)


def current_end(steps):
    return steps[-1]["soc"].iloc[-1] if steps else 0.0


# %% [markdown]
# ## The first look
#
# A text file like those of Maccor: two lines before the header, times as `0d 00:01:00`, a current
# without a sign, the direction in a column `State`, and one counter that rises in both directions.
# `battprob inspect cell_17.txt --report report` prints the same on the command line.


# %%
def clock(seconds):
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours // 24}d {hours % 24:02d}:{minute:02d}:{second:02d}"


log = cycled(3, fade_ah=0.03)
text = ["Today's Date\t05/14/2026\tDate of Test:\t05/12/2026", "Comment:\tinvented"]
text += ["Rec#\tCyc#\tStep\tTestTime\tStepTime\tAmp-hr\tAmps\tVolts\tState"]
for number, row in enumerate(log.itertuples(), 1):
    fields = (number, row.cycle, row.step, clock(row.time_s), clock(row.step_s))
    fields += (f"{row.charge_ah:.5f}", abs(row.current_a), f"{row.voltage_v:.4f}")
    text.append("\t".join(map(str, (*fields, row.state))))
pathlib.Path("cell_17.txt").write_text("\n".join(text))

inspection = bp.data.inspect("cell_17.txt")
print(inspection)

# %%
inspection.figure

# %% [markdown]
# `read_timeseries` returns the log. `statements` says what was recognised, assumed and repaired, one
# sentence each; `steps` and `cycles` are tables.

# %%
log = bp.data.read_timeseries("cell_17.txt")
steps = log.steps.to_dataframe()
steps[
    ["kind", "cycle", "duration_s", "charge_ah", "energy_wh", "mean_voltage_v"]
].round(3)

# %%
cycles = log.cycles.to_dataframe()
cycles[["charge_capacity_ah", "discharge_capacity_ah", "complete", "note"]].round(4)

# %% [markdown]
# `to_cell` gives one row per cycle, and on a grid of voltages the discharge curve Q(V) of each cycle.
# `log.with_cycles("discharge")` would number the cycles by another rule.

# %%
voltage_v = bp.data.common_voltages([log], num_voltages=500)
cell = log.to_cell(voltage_v=voltage_v, mass_g=8.2)
figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
ax.plot(cell.curve_ah(1), voltage_v, label="cycle 1")
ax.plot(cell.curve_ah(3), voltage_v, "--", label="cycle 3")
ax.set(xlabel="discharged charge (Ah)", ylabel="voltage (V)")
ax.legend(frameon=False)
plt.show()
print(cell, cell.per_cycle["discharge_capacity_mah_per_g"].round(2))

# %% [markdown]
# ## A false reading of a counter
#
# One reading of the discharge counter is zero. The current does not explain it, so it is left out, and
# a statement names the row. The capacities are not affected.


# %%
def write_csv(name, log, **changes):
    table = pd.DataFrame({"Test Time (s)": log.time_s, "Cycle": log.cycle})
    table["Voltage (V)"], table["Current (A)"] = log.voltage_v, log.current_a
    for header, state in (("Charge", "C"), ("Discharge", "D")):
        table[f"{header} Capacity (Ah)"] = log.charge_ah.where(log.state == state, 0.0)
    for header, (row, value) in changes.items():
        table.loc[row, header] = value
    table.to_csv(name, index=False)


write_csv("glitch.csv", cycled(3), **{"Discharge Capacity (Ah)": (100, 0.0)})
log = bp.data.read_timeseries("glitch.csv")
print(*log.statements, sep="\n")
print(log.cycles.discharge_capacity_ah.round(4))

# %% [markdown]
# ## Files that are refused
#
# A value is never guessed from its size alone. This log has no units: `current` may be in A or mA. The
# error states the remedy, which is to name the columns.

# %%
cycled(2)[["time_s", "voltage_v", "current_a"]].set_axis(
    ["time", "voltage", "current"], axis=1
).to_csv("no_units.csv", index=False)
try:
    bp.data.read_timeseries("no_units.csv")
except bp.DataError as error:
    print(error)
named = {"time_s": "time", "voltage_v": "voltage", "current_a": "current"}
log = bp.data.read_timeseries("no_units.csv", columns=named)
print(log)

# %% [markdown]
# A spectrum with -Im Z under a plain header. The real part shows which sign is right (Kramers–Kronig
# relations), so the file is refused, and the caller reverses the sign.

# %%
frequency_hz = np.logspace(4, -1, 41)
omega = 2j * np.pi * frequency_hz
impedance = 0.02 + 0.03 / (1 + (0.02 * omega) ** 0.85) + 0.004 / np.sqrt(omega)
pd.DataFrame(
    {"freq/Hz": frequency_hz, "Zre/Ohm": impedance.real, "Zim/Ohm": -impedance.imag}
).to_csv("spectrum.csv", index=False)
print(bp.data.inspect("spectrum.csv").error)
spectrum = bp.data.read_spectrum("spectrum.csv", imaginary_sign="reverse")
print(*spectrum.statements, sep="\n")
bp.data.inspect(spectrum).figure

# %% [markdown]
# ## A test in two files
#
# The test was restarted: time and cycle numbers begin again in the second file. `join` continues both
# and states how. With a wall clock in both files, it would also find the pause between them.

# %%
write_csv("part_1.csv", cycled(2))
write_csv("part_2.csv", cycled(2, capacity_ah=0.98, seed=1))
joined = bp.data.join([bp.data.read_timeseries(f"part_{n}.csv") for n in (1, 2)])
print(*joined.statements[:3], sep="\n")
joined.cycles.to_dataframe()[["start_s", "discharge_capacity_ah", "note"]].round(4)

# %% [markdown]
# ## Many files
#
# `read_many` reads files in parallel (`client=` takes a Dask client instead of processes on this
# machine). A file that cannot be read does not stop the others. With `cache=`, a second call reads only
# files that are new or changed.

# %%
folder = pathlib.Path("batch")
folder.mkdir()
for n in range(5):
    write_csv(
        folder / f"cell_{n}.csv", cycled(60, 1.05, fade_ah=5e-4 * (1 + n), seed=n)
    )
(folder / "stopped.csv").write_text("Test Time (s),Voltage (V),Current (A)\n0,3.7\n")
(folder / "copy.csv").write_bytes((folder / "cell_4.csv").read_bytes())

files = bp.data.read_many(folder, num_workers=2, cache="cache", progress=False)
print(files)
for failure in files.failures:
    print(failure)

# %% [markdown]
# ## Features of files
#
# `features_of_files` reads the files and computes the features of `early_life`. The curves of all cells are
# on a grid that all of them cover. A missing feature is NaN, and `missing` has the reason. The command
# is `battprob features batch -o features.csv --cycles 10,50`.

# %%
features = bp.features.features_of_files(
    folder, early_cycle=10, late_cycle=50, progress=False
)
print(features.notes[-1])
for item in features.missing[:2]:
    print(f"{item.cell}, {item.feature}: {item.reason}")
frame = features.to_dataframe()
frame.filter(regex="^delta_q_log10_variance|^fade_slope").round(5)

# %% [markdown]
# ## A reader of your own
#
# One function and one decorator. All functions that read files then know the format, here a voltage, a
# current in mA (positive while discharging) and the time in minutes, separated by slashes.


# %%
@bp.data.register_reader(".slash")
def read_slash(path):
    minutes, voltage, milliamperes = np.loadtxt(path, delimiter="/").T
    return [
        bp.data.TimeSeries(
            path.stem,
            time_s=60 * minutes,
            voltage_v=voltage,
            current_a=-milliamperes / 1000,
            cycle=np.ones(len(minutes)),
            statements=["current of the file reversed: positive while charging"],
        )
    ]


pathlib.Path("b1.slash").write_text("0/4.1/500\n30/3.7/500\n60/3.1/500\n")
print(bp.data.inspect("b1.slash").summary)
print(bp.data.read_many("b1.slash").records)

# %% [markdown]
# ## Two real files
#
# A log of Arbin in an Access database (`.res`, needs the package `access-parser`) and a log of Maccor;
# both are in the folder `BATTPROB_DATA`.

# %%
real = (
    "arbin_res/arbin_example.res",
    "maccor_nnn/xTESLADIAG_000038con.078",
)
for name in real:
    path = data / "instrument_files" / "cycler" / name
    if path.exists():
        inspection = bp.data.inspect(path)
        print(inspection.summary)
        print(*inspection.statements, sep="\n", end="\n\n")
        display(inspection.figure)
    else:
        print("Set the environment variable BATTPROB_DATA to the folder with the data.")
