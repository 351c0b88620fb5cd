"""Files of cyclers are read without hints, and contradictions in them are refused."""

import gzip
import json
import shutil

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.read import read_timeseries
from tests.data.cycler.logs import bdf, cycled

_HEADERS = {
    "readable": "Test Time / s,Voltage / V,Current / A,Cycle Count / 1",
    "machine": "test_time_second,voltage_volt,current_ampere,cycle_count",
    "short": "test_time_s,voltage_V,current_A,cycle_index",
    "archive": "Test_Time (s),Voltage (V),Current (A),Cycle_Index",
    "blanks": " Test Time / s , Voltage / V, Current / A, Cycle Count / 1",
}


def _text(columns, header=None, separator=","):
    lines = [header or separator.join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(separator.join(f"{value:.10g}" for value in row))
    return "\n".join(lines) + "\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="cell7.bdf.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(content, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize("style", list(_HEADERS))
def test_styles_of_headers(written, style):
    data = cycled()
    log = read_timeseries(written(_text(bdf(data, "cycle"), _HEADERS[style])))
    assert log.name == "cell7"
    np.testing.assert_allclose(log.time_s, data["t"])
    np.testing.assert_allclose(log.current_a, data["i"])
    np.testing.assert_array_equal(log.cycle, data["cycle"])
    np.testing.assert_allclose(log.to_cell().capacity_ah, 2.0, rtol=1e-6)
    assert any(text.startswith("format: ") for text in log.statements)
    assert any("means charging (shown by the voltage)" in s for s in log.statements)


def test_ec_lab_text_with_decimal_commas(written):
    data = cycled()
    columns = {
        "time/s": data["t"],
        "<Ewe>/V": data["v"],
        "<I>/mA": 1e3 * data["i"],
        "half cycle": 2 * data["cycle"] + (data["step"] > 2),
    }
    table = _text(columns, separator="\t").replace(".", ",")
    head = "EC-Lab ASCII FILE\nNb header lines : 4\n\n"
    log = read_timeseries(written(head + table, "cell7.mpt", "cp1252"))
    np.testing.assert_allclose(log.current_a, data["i"])
    np.testing.assert_array_equal(log.cycle, data["cycle"])


def test_ec_lab_text_without_a_current(written):
    data = cycled()
    charge = 1e3 * np.diff(data["qc"] - data["qd"], prepend=0.0)
    columns = {"time/s": data["t"], "Ewe/V": data["v"], "dq/mA.h": charge}
    head = "EC-Lab ASCII FILE\nNb header lines : 4\n\n"
    path = written(head + _text(columns, separator="\t"), "cell7.mpt", "cp1252")
    log = read_timeseries(path)
    np.testing.assert_allclose(log.to_cell().capacity_ah, 2.0, rtol=1e-6)
    assert any("no column of the current" in text for text in log.statements)


def test_maccor_text_without_a_sign(written):
    data = cycled()
    states = np.select([data["i"] > 0, data["i"] < 0], ["C", "D"], "R")
    lines = ["Today's Date\t01/02/2030", "Cyc#\tTest (Min)\tAmps\tVolts\tState"]
    for row in zip(
        data["cycle"], data["t"] / 60, abs(data["i"]), data["v"], strict=True
    ):
        lines.append("\t".join(f"{value:.10g}" for value in row))
    lines[2:] = [f"{a}\t{b}" for a, b in zip(lines[2:], states, strict=True)]
    log = read_timeseries(written("\n".join(lines) + "\r\n\r", "cell7.034"))
    np.testing.assert_allclose(log.time_s, data["t"])
    np.testing.assert_allclose(log.current_a, data["i"])


def test_columns_by_name(written):
    data = cycled()
    columns = {"x": data["t"] / 3600, "y [mV]": 1e3 * data["v"], "z": data["i"],
               "n": data["cycle"], "p / bar": data["v"]}  # fmt: skip
    path = written(_text(columns))
    with pytest.raises(DataError, match="no column for 'time_s' among"):
        read_timeseries(path)
    named = {"time_s": "x", "voltage_v": "y [mV]", "current_a": "z", "cycle": "n"}
    log = read_timeseries(path, columns={**named, "pressure_bar": "p / bar"})
    np.testing.assert_allclose(log.time_s, data["t"] / 3600)  # no unit: that of the key
    np.testing.assert_allclose(log.voltage_v, data["v"])
    np.testing.assert_allclose(log.other["pressure_bar"], data["v"])
    with pytest.raises(DataError, match="no column for 'T' among"):
        read_timeseries(path, columns={**named, "temperature_c": "T"})


def test_two_pasted_files_have_four_cycles(written):
    header = _HEADERS["readable"]
    first = _text(bdf(cycled(2), "cycle"), header)
    second = _text(bdf({**cycled(2), "v": cycled(2)["v"] - 0.01}, "cycle"), header)
    log = read_timeseries(written(first + second.split("\n", 1)[1]))
    np.testing.assert_allclose(log.to_cell().capacity_ah, [2, 2, 2, 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0,4,-1,1\n1,x,-1,1\n2,3,-1,1\n", "line 3: Voltage / V must be .* 'x'"),
        ("0,4,-1,1\n2,3.5,-1,1\n1,3,-1,1\n", "line 4: 'Test Time / s' falls from 2 s"),
        ("0,4,-1,9\n1,3,-1,5\n2,3,-1,5\n", "falls from 9 to 5; .* Renumber"),
        ("0,3400,1,1\n9,3500,1,1\n", "'Voltage / V' is 3500 V; expected up to 10 V"),
    ],
)
def test_errors_name_line_and_column(written, content, message):
    path = written(_HEADERS["readable"] + "\n" + content, "a.csv")
    with pytest.raises(DataError, match=message) as error:
        read_timeseries(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_missing_table(tmp_path, written):
    with pytest.raises(DataError, match="no file"):
        read_timeseries(tmp_path / "none.csv")
    path = written(_text(bdf(cycled(1))))
    with pytest.raises(DataError, match="has no table 'x'"):
        read_timeseries(path, table="x")


def test_the_smallest_real_file_of_each_format(data_folder, tmp_path):
    """Rows, duration, voltage and current of real files of all formats."""
    entries = sorted(_entries(data_folder), key=lambda entry: entry["bytes"])
    smallest = {entry["path"].split("/")[1]: entry for entry in reversed(entries)}
    _require_right(smallest.values(), data_folder, tmp_path)


@pytest.mark.slow
def test_all_real_files(data_folder, tmp_path):
    """Rows, duration, voltage and current of real files of all formats."""
    _require_right(_entries(data_folder), data_folder, tmp_path)


def _entries(data_folder):
    manifest = data_folder / "instrument_files" / "manifest.json"
    if not manifest.is_file():
        pytest.skip("no instrument_files in the data folder")
    entries = json.loads(manifest.read_text())
    return [entry for entry in entries if entry["path"].startswith("cycler")]


def _require_right(entries, data_folder, tmp_path):
    faults = [
        fault
        for entry in entries
        for fault in _faults(
            entry, _unpacked(data_folder / "instrument_files" / entry["path"], tmp_path)
        )
    ]
    assert not faults, "\n".join(faults)


def _unpacked(path, folder):
    if path.suffix != ".gz":
        return path
    copy = folder / path.stem
    with gzip.open(path) as packed, copy.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return copy


def _faults(entry, path):
    """What is wrong with one file; nothing if its readers are not installed."""
    try:
        log = read_timeseries(path)
    except DataError as error:
        message = str(error)
        fine = entry["refusal"] != "no" or "pip install" in message
        return [] if fine and "\n" not in message else [message]
    if "time_s" not in entry:
        return [f"{entry['path']} was read"]
    found = {
        "rows": (len(log.time_s), entry["rows"], 1e-3 * entry["rows"]),
        "duration": (log.time_s[-1] - log.time_s[0], np.diff(entry["time_s"])[0], None),
        "lowest current": (log.current_a.min(), entry["current_a"][0], None),
        "highest current": (log.current_a.max(), entry["current_a"][1], None),
    }
    tolerance = {
        "duration": 1.5 + 1e-3 * np.diff(entry["time_s"])[0],
        "lowest current": 0.02 * max(map(abs, entry["current_a"])),
        "highest current": 0.02 * max(map(abs, entry["current_a"])),
    }
    faults = [
        f"{entry['path']}: {name} {value:g}, expected {expected:g}"
        for name, (value, expected, size) in found.items()
        if abs(value - expected) > (tolerance[name] if size is None else size)
    ]
    choices = [entry["voltage_v"], *(entry.get("voltage_choices_v") or {}).values()]
    voltage = np.array([log.voltage_v.min(), log.voltage_v.max()])
    if not any(np.allclose(voltage, choice, rtol=0, atol=2e-3) for choice in choices):
        faults.append(f"{entry['path']}: voltage {voltage}, expected one of {choices}")
    return faults
