"""`read_matr` reads arrays stored as rows or columns, and empty cycles as missing."""

import h5py
import numpy as np
import pytest

from battprob import DataError
from battprob.data import read_matr

VOLTAGE = np.linspace(3.6, 2.0, 5)
SUMMARY = ("IR", "QCharge", "QDischarge", "Tavg", "Tmin", "Tmax", "chargetime")


class Writer:
    """Writes the layout of the batch files, arrays as rows (1, n) or columns (n, 1)."""

    def __init__(self, file, *, rows):
        self.file, self.rows, self.count = file, rows, 0

    def values(self, parent, name, values):
        array = np.atleast_1d(values)
        if array.size == 0:
            empty = parent.create_dataset(name, data=np.zeros(2, np.uint64))
            empty.attrs["MATLAB_empty"] = 1
            return empty
        shape = (1, -1) if self.rows else (-1, 1)
        return parent.create_dataset(name, data=array.reshape(shape))

    def text(self, parent, name, text):
        codes = np.array([ord(letter) for letter in text], np.uint16)
        return parent.create_dataset(name, data=codes.reshape(-1, 1))

    def references(self, parent, name, targets):
        array = np.array([target.ref for target in targets], h5py.ref_dtype)
        return self.values(parent, name, array)

    def new_group(self):
        self.count += 1
        return self.file.require_group("#refs#").create_group(f"r{self.count}")


def write_batch(path, cells, *, rows=True):
    with h5py.File(path, "w") as file:
        w = Writer(file, rows=rows)
        w.text(file, "batch_date", "2017-05-12")
        columns = {}
        for cell in cells:
            for name, target in write_cell(w, cell).items():
                columns.setdefault(name, []).append(target)
        batch = file.create_group("batch")
        for name, targets in columns.items():
            w.references(batch, name, targets)
    return path


def write_cell(w, cell):
    fields = w.new_group()
    summary, cycles = w.new_group(), w.new_group()
    w.values(summary, "cycle", np.asarray(cell["cycle"], float))
    for k, name in enumerate(SUMMARY):
        w.values(
            summary, name, np.asarray(cell["capacity"]) + 10.0 * (name[0] != "Q") * k
        )
    curves = [w.values(w.new_group(), "q", curve) for curve in cell["curves"]]
    w.references(cycles, "Qdlin", curves)
    return {
        "summary": summary,
        "cycles": cycles,
        "Vdlin": w.values(fields, "Vdlin", VOLTAGE),
        "cycle_life": w.values(fields, "cycle_life", cell["life"]),
        "policy_readable": w.text(fields, "policy", "3.6C(80%)-3.6C"),
        "barcode": w.text(fields, "barcode", "EL1"),
    }


def example(life, first_empty):
    curves = [q * np.linspace(0, 1, 5) for q in (1.08, 1.07, 1.06)]
    if first_empty:
        curves[0] = np.zeros(0)
    return {
        "cycle": [1, 2, 4],
        "capacity": [0.0 if first_empty else 1.08, 1.07, 1.06],
        "curves": curves,
        "life": life,
    }


@pytest.fixture(params=[True, False], ids=["rows", "columns"])
def cells(request, tmp_path):
    batch = [example(860.0, True), example(np.nan, False)]
    return read_matr(write_batch(tmp_path / "b.mat", batch, rows=request.param))


def test_cells_have_their_labels(cells):
    assert [cell.name for cell in cells] == ["2017-05-12/cell0", "2017-05-12/cell1"]
    assert cells[0].protocol == "3.6C(80%)-3.6C"
    assert cells[0].batch == "2017-05-12"
    assert cells[0].meta == {"barcode": "EL1"}


def test_cycle_numbers_come_from_the_summary(cells):
    assert cells[1].cycle.tolist() == [1, 2, 4]
    assert cells[1].curve_cycle.tolist() == [1, 2, 4]
    np.testing.assert_allclose(cells[1].curve_ah(4), 1.06 * np.linspace(0, 1, 5))
    np.testing.assert_array_equal(cells[1].voltage_v, VOLTAGE)


def test_an_empty_cycle_has_no_curve_and_no_capacity(cells):
    assert cells[0].curve_cycle.tolist() == [2, 4]
    np.testing.assert_array_equal(cells[0].capacity_ah, [np.nan, 1.07, 1.06])


def test_life_is_known_or_censored_at_the_last_cycle(cells):
    assert (cells[0].cycle_life, cells[0].censored) == (860.0, False)
    assert (cells[1].cycle_life, cells[1].censored) == (4.0, True)


def test_summary_columns_are_kept_by_name(cells):
    assert set(cells[1].per_cycle) == {
        "resistance_ohm",
        "charge_capacity_ah",
        "temperature_mean_c",
        "temperature_min_c",
        "temperature_max_c",
        "charge_time_min",
    }
    np.testing.assert_allclose(
        cells[1].per_cycle["temperature_max_c"], [51.08, 51.07, 51.06]
    )


def test_curves_stop_at_last_curve_cycle(tmp_path):
    path = write_batch(tmp_path / "b.mat", [example(860.0, False)])
    (cell,) = read_matr(path, last_curve_cycle=2)
    assert cell.curve_cycle.tolist() == [1, 2]
    assert cell.cycle.tolist() == [1, 2, 4]


def test_errors_name_the_missing_field(tmp_path):
    path = write_batch(tmp_path / "b.mat", [example(860.0, False)])
    with h5py.File(path, "a") as file:
        del file["batch/policy_readable"]
    with pytest.raises(DataError, match="batch has no field 'policy_readable'; it has"):
        read_matr(path)


def test_more_curves_than_cycle_numbers_is_an_error(tmp_path):
    cell = example(860.0, False)
    cell["cycle"], cell["capacity"] = [1, 2], [1.08, 1.07]
    with pytest.raises(
        DataError, match=r"cell0: 3 entries in cycles .* 2 cycle numbers"
    ):
        read_matr(write_batch(tmp_path / "b.mat", [cell]))


def test_curves_on_two_grids_are_an_error(tmp_path):
    cell = example(860.0, False)
    cell["curves"][1] = np.zeros(4)
    with pytest.raises(
        DataError, match="Qdlin has 4 values at cycle 2 and 5 elsewhere"
    ):
        read_matr(write_batch(tmp_path / "b.mat", [cell]))
