"""Speed and agreement with SciPy of `savgol`; coverage and speed of dQ/dV and its peaks.

Run with one thread:

    OMP_NUM_THREADS=1 XLA_FLAGS=--xla_cpu_multi_thread_eigen=false python benchmarks/features.py

NumPy uses huge pages by default; with GLIBC_TUNABLES=glibc.malloc.hugetlb=1 XLA does as well,
which makes `savgol` faster.
"""

import json
import os
import pathlib
import sys
import time

import jax
import numpy as np
import scipy.signal

import battprob as bp
from battprob.data._halfcell import graphite_potential_v

QUANTUM_V = 5 / 2**16
LEVELS_V = (1e-4, 5e-4, 2e-3)
GRID_V = np.linspace(3.0, 4.05, 1000)
CHARGE_AH = np.linspace(0.0, 3.0, 1000)


def voltage_v(q):
    """Voltage of an NMC/graphite cell during charge; its dQ/dV has four peaks."""
    y = 0.90 - 0.19 * q
    nmc = -0.8090 * y + 4.4875 - 0.0428 * np.tanh(18.5138 * (y - 0.5542))
    nmc += -17.7326 * np.tanh(15.7890 * (y - 0.3117))
    nmc += 17.5842 * np.tanh(15.9308 * (y - 0.3120))
    return nmc - graphite_potential_v(0.03 + 0.29 * q)


def true_slope(grid):
    """dQ/dV at each voltage, by central differences of the exact curve."""
    fine = np.linspace(0.0, 3.0, 400_001)
    q = np.interp(grid, voltage_v(fine), fine)
    return 2e-5 / (voltage_v(q + 1e-5) - voltage_v(q - 1e-5))


def measured(cycles, noise_v, rng):
    """Noisy, quantised voltages and their charges."""
    noisy = voltage_v(CHARGE_AH) + noise_v * rng.standard_normal((cycles, 1000))
    quantised = np.round(noisy / QUANTUM_V) * QUANTUM_V
    return quantised, np.broadcast_to(CHARGE_AH, quantised.shape)


def seconds(run, repeats):
    """Shortest CPU time of several repeats, after one that compiles."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(run())
        times.append(time.process_time() - start)
    return min(times)


def savgol(rows, repeats, rng):
    """Curves per CPU second: this package, SciPy on the batch, SciPy curve by curve."""
    x = rng.standard_normal((rows, 1000))
    on_device = jax.numpy.asarray(x)
    ours = seconds(lambda: bp.features.savgol(on_device, window=25, order=3), repeats)
    peer = seconds(lambda: scipy.signal.savgol_filter(x, 25, 3), repeats)
    error = np.abs(
        bp.features.savgol(x, window=25, order=3) - scipy.signal.savgol_filter(x, 25, 3)
    ).max()
    few = x[: rows // 20]

    def pipeline():
        for row in few:
            v, first = np.unique(np.round(np.sort(row), 4), return_index=True)
            q = np.interp(np.linspace(v[0], v[-1], 1000), v, first)
            smooth = scipy.signal.savgol_filter(q, 25, 3, deriv=1)
            scipy.signal.find_peaks(smooth, prominence=0.1)

    return {
        "savgol_curves_per_cpu_s": rows / ours,
        "scipy_curves_per_cpu_s": rows / peer,
        "pipeline_curves_per_cpu_s": len(few) / seconds(pipeline, 1),
        "savgol_largest_difference_from_scipy": float(error),
    }


def bands(cycles, noise_v, rng):
    """Coverage of dQ/dV, and its error relative to the best Savitzky-Golay window."""
    voltage, charge = measured(cycles, noise_v, rng)
    truth = true_slope(GRID_V)
    curve = bp.features.differential_capacity(
        voltage, charge, GRID_V, quantum_v=QUANTUM_V
    )
    low, high = curve.interval(0.9)
    on_grid = np.asarray(bp.features.capacity_on_grid(voltage, charge, GRID_V))
    spacing = GRID_V[1] - GRID_V[0]

    def oracle(window, order):
        slope = scipy.signal.savgol_filter(
            on_grid, window, order, deriv=1, delta=spacing
        )
        return np.sqrt(np.mean((slope - truth) ** 2))

    choices = [(oracle(w, k), w, k) for k in (2, 3, 4) for w in range(7, 302, 2)]
    rmse = float(np.sqrt(np.mean((np.asarray(curve.mean) - truth) ** 2)))
    return {
        "noise_mv": 1e3 * noise_v,
        "coverage_90": float(np.mean((low <= truth) & (truth <= high))),
        "rmse": rmse,
        "oracle_savgol": [float(min(choices)[0]), *min(choices)[1:]],
        "rmse_over_oracle": rmse / float(min(choices)[0]),
        "peaks": peaks(curve),
    }


def peaks(curve):
    """Coverage of the 90 % interval of every true peak's position."""
    fine = np.linspace(GRID_V[0], GRID_V[-1], 100_001)
    slope = true_slope(fine)
    tops = fine[1:-1][(slope[1:-1] > slope[:-2]) & (slope[1:-1] > slope[2:])]
    tracks = bp.features.ica_peaks(curve, GRID_V)
    position, sd = np.asarray(tracks.position_v), np.asarray(tracks.position_sd)
    report = []
    for top in tops:
        nearest = np.nanargmin(np.abs(position - top), axis=1)[:, None]
        error = np.take_along_axis(position, nearest, 1)[:, 0] - top
        near = np.abs(error) < 0.03
        score = error[near] / np.take_along_axis(sd, nearest, 1)[near, 0]
        report.append(
            {
                "position_v": round(float(top), 4),
                "found": float(near.mean()),
                "coverage_90": float(np.mean(np.abs(score) < 1.6449)),
            }
        )
    return report


def speed(cycles, repeats, rng):
    """Curves per CPU second of dQ/dV with its variance, and of its peaks."""
    voltage, charge = (jax.numpy.asarray(a) for a in measured(cycles, 5e-4, rng))
    run = lambda: bp.features.differential_capacity(  # noqa: E731
        voltage, charge, GRID_V, quantum_v=QUANTUM_V
    )
    curve = run()
    return {
        "differential_capacity_curves_per_cpu_s": cycles / seconds(run, repeats),
        "ica_peaks_curves_per_cpu_s": cycles
        / seconds(lambda: bp.features.ica_peaks(curve, GRID_V), repeats),
    }


def half_cycles(record, *segments, every):
    """Voltage and charge of segments, every few readings, padded with NaN."""
    table = np.full((2, len(segments), 4000), np.nan)
    for row, segment in enumerate(segments):
        for column, name in zip(table, ("voltage_V", "capacity_Ah"), strict=True):
            values = record[f"{segment}__{name}"][::every]
            column[row, : len(values)] = values
    return table


def raj(folder):
    """Peaks of an NCA cell at three rates; differences between two C/4 charges."""
    record = np.load(folder / "raj2020_vq" / "vq.npz")
    charges = ("cycle1_charge_C4", "cycle2_charge_C4")
    sets = {
        "C/4 charges": half_cycles(record, *charges, every=4),
        "C/24 discharge": half_cycles(record, "pocv_discharge_C24", every=24),
        "C/2 discharge": half_cycles(record, "discharge_C2", every=3),
    }
    report = {}
    for name, readings in sets.items():
        grid = np.linspace(3.3, 4.15 if "charges" in name else 4.1, 800)
        curve = bp.features.differential_capacity(*readings, grid, quantum_v=1.5e-4)
        tracks = bp.features.ica_peaks(curve, grid)
        complete = np.isfinite(tracks.position_v).all(0)
        position = np.asarray(tracks.position_v)[:, complete]
        sd = np.asarray(tracks.position_sd)[:, complete]
        report[name] = {
            "position_v": position.round(5).tolist(),
            "position_sd_mv": (1e3 * sd).round(3).tolist(),
            "median_relative_sd": float(np.median(curve.std / np.abs(curve.mean))),
        }
        if len(position) == 2:
            difference = np.diff(position, axis=0)[0] / np.hypot(*sd)
            report[name]["difference_in_sd"] = difference.round(2).tolist()
    return report


def severson(folder, repeats):
    """CPU seconds for the features of the whole pack, without compilation."""
    cells = bp.data.read_pack(folder / "severson" / "severson.npz")
    cells = [bp.data.despike(cell)[0] for cell in cells]
    return {
        "severson_cells": len(cells),
        "severson_early_life_s": seconds(
            lambda: bp.features.early_life(cells).x, repeats
        ),
    }


def main(*, smoke: bool = False):
    """Run all measurements and print them as JSON."""
    bp.enable_x64()
    rng = np.random.default_rng(0)
    rows, cycles, repeats = (200, 20, 1) if smoke else (10_000, 200, 7)
    report = savgol(rows, repeats, rng)
    report |= speed(20 if smoke else 1000, repeats, rng)
    report["bands"] = [bands(cycles, level, rng) for level in LEVELS_V]
    default = pathlib.Path(__file__).parent.parent.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("BATTPROB_DATA", default))
    if folder.is_dir() and not smoke:
        report["raj2020"] = raj(folder)
        report |= severson(folder, repeats)
    print(json.dumps(report, indent=1))
    return report


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
