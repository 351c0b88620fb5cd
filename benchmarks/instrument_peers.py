"""Readers of other libraries on real instrument files; run by `instrument_files.py`.

Reads a list of {"kind", "path", "format"} as JSON from standard input, and prints one
object per file: {} (not a kind that the library reads), {"error": message}, or what it
found. Each library is told the instrument where it asks for it.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings

import numpy as np

CELLPY = {  # instrument by the beginning of the format
    "Arbin .res": "arbin_res",
    "Maccor text": "maccor_txt",
    "Neware .nda": "neware_nda",
    "Neware csv": "neware_txt",
    "PEC csv": "pec_csv",
    "EC-Lab .mpr": "biologics_mpr",
    "BDF csv": "batmo_bdf",
}
PYPROBE = {
    "Neware": "neware",
    "EC-Lab": "biologic",
    "BT-Lab": "biologic_MB",
    "Arbin": "arbin",
    "Basytec": "basytec",
    "Maccor": "maccor",
    "Novonix": "novonix",
}
IMPEDANCE = {
    "Gamry": "gamry",
    "ZPlot": "zplot",
    "EC-Lab .mpt": "biologic",
    "Autolab": "autolab",
    "CHI": "chinstruments",
    "PowerSuite": "powersuite",
    "VersaStudio": "versastudio",
}


def by_start(table, name):
    """Value of the first key that `name` starts with."""
    return next((value for key, value in table.items() if name.startswith(key)), None)


def cellpy(task):
    """Capacities of cellpy's summary, converted to Ah."""
    import cellpy as library

    instrument = by_start(CELLPY, task["format"])
    if instrument is None:
        return {}
    cell = library.get(task["path"], instrument=instrument, mass=1.0, area=1.0)
    raw, units = cell.data.raw, cell.data.raw_units
    factor = {"Ah": 1.0, "mAh": 1e-3}[str(units.charge)]
    cycles = raw["cycle_index"].to_numpy()
    found = _log(raw["test_time"], raw["voltage"])
    return found | {
        "cycle": np.unique(cycles).tolist(),
        "discharge_ah": _largest(cycles, factor * raw["discharge_capacity"]),
        "charge_ah": _largest(cycles, factor * raw["charge_capacity"]),
    }


def pyprobe(task):
    """Charge passed in each of PyProBE's cycles."""
    import polars as pl
    import pyprobe as library

    cycler = by_start(PYPROBE, task["format"])
    if cycler is None:
        return {}
    cell = library.Cell(info={"Name": "cell"})
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "out.parquet")
        cell.import_from_cycler("test", cycler, task["path"], target)
        frame = pl.read_parquet(target)
    capacity = frame["Capacity [Ah]"].to_numpy()
    step = np.diff(capacity, prepend=capacity[0])
    cycles = (
        frame["Cycle"] if "Cycle" in frame.columns else frame["Step"] * 0
    ).to_numpy()
    numbers, index = np.unique(cycles, return_inverse=True)
    found = _log(frame["Time [s]"].to_numpy(), frame["Voltage [V]"].to_numpy())
    return found | {
        "cycle": numbers.tolist(),
        "discharge_ah": np.bincount(index, np.maximum(-step, 0)).tolist(),
        "charge_ah": np.bincount(index, np.maximum(step, 0)).tolist(),
    }


def beep(task):
    """Largest capacities of each of BEEP's cycles."""
    from beep.structure.cli import auto_load

    path = auto_load(task["path"])
    raw = path.raw_data
    cycles = raw["cycle_index"].to_numpy()
    found = _log(raw["test_time"], raw["voltage"])
    return found | {
        "cycle": np.unique(cycles).tolist(),
        "discharge_ah": _largest(cycles, raw["discharge_capacity"]),
        "charge_ah": _largest(cycles, raw["charge_capacity"]),
    }


def batterydf(task):
    """Rows of the Battery Data Format, with the current integrated by cycle."""
    import bdf

    frame = bdf.read(task["path"])
    frame = frame.to_pandas() if hasattr(frame, "to_pandas") else frame

    def column(*names):
        return next((frame[name].to_numpy() for name in names if name in frame), None)

    time = column("Test Time / s", "test_time_second")
    current = column("Current / A", "current_ampere")
    voltage = column("Voltage / V", "voltage_volt")
    cycles = column("Cycle Count / 1", "cycle_count")
    cycles = np.zeros(len(time)) if cycles is None else cycles
    step = np.diff(time, prepend=time[0]) * current / 3600
    numbers, index = np.unique(cycles, return_inverse=True)
    return _log(time, voltage) | {
        "cycle": numbers.tolist(),
        "discharge_ah": np.bincount(index, np.maximum(-step, 0)).tolist(),
        "charge_ah": np.bincount(index, np.maximum(step, 0)).tolist(),
    }


def pyimpspec(task):
    """Spectra of pyimpspec."""
    import pyimpspec as library

    sets = library.parse_data(task["path"])
    return _spectra((s.get_frequencies(), s.get_impedances()) for s in sets)


def impedance(task):
    """Spectra of impedance.py."""
    from impedance import preprocessing

    instrument = by_start(IMPEDANCE, task["format"])
    return _spectra([preprocessing.readFile(task["path"], instrument=instrument)])


def _log(time, voltage):
    return {
        "rows": len(time),
        "time_s": [float(np.asarray(time)[0]), float(np.asarray(time)[-1])],
        "voltage_v": [float(np.min(voltage)), float(np.max(voltage))],
    }


def _largest(cycles, counter):
    counter = np.asarray(counter, float)
    return [
        float(np.nanmax(counter[cycles == c]) - max(np.nanmin(counter[cycles == c]), 0))
        for c in np.unique(cycles)
    ]


def _spectra(pairs):
    return {
        "sweeps": [
            np.column_stack([f, np.real(z), np.imag(z)]).tolist() for f, z in pairs
        ]
    }


def main():
    """Read all files with the library named on the command line."""
    name = sys.argv[1]
    kind = "spectra" if name in ("pyimpspec", "impedance") else "timeseries"
    results = []
    for task in json.load(sys.stdin):
        if task["kind"] != kind:
            results.append({})
            continue
        try:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                warnings.simplefilter("ignore")
                results.append(globals()[name](task))
        except BaseException as error:
            results.append({"error": f"{type(error).__name__}: {error}"[:200]})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
