"""Tables of capacities: columns and units are recognised, errors name the line."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import read_capacity_csv, read_file


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "cell_25.1degC.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


def test_default_columns(table):
    cells = read_capacity_csv(
        table("cell,cycle,capacity_Ah\nb,5,1.0\na,1,1.1\nb,9,\na,2,nan\nb,9,0.8\n")
    )
    assert [cell.name for cell in cells] == ["b", "a"]
    assert cells[0].cycle.tolist() == [5, 9, 9]
    np.testing.assert_array_equal(cells[0].capacity_ah, [1.0, np.nan, 0.8])
    assert np.isnan(cells[0].cycle_life)


def test_columns_by_name(table):
    (cell,) = read_capacity_csv(
        table("id,n,Q,rate,T,run\nx,1,2.0,2C,25,A\nx,3,1.9,2C,25,A\n"),
        cell="id",
        cycle="n",
        capacity_ah="Q",
        protocol="rate",
        batch="run",
        meta=["T"],
    )
    assert (cell.protocol, cell.batch, cell.meta["T"]) == ("2C", "A", "25")


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("Cycle_Index,Discharge_Capacity (Ah)", 1),
        ("cycle index,Discharge capacity / mAh", 1e-3),
        ("Zyklus,Entladekapazität [mAh]", 1e-3),
        ("cycle,discharge capacity (C)", 1 / 3600),
        ("Cycle Number,Q_discharge [mA.h]", 1e-3),
        ("cycle,QDischarge", 1),
        ("CYCLE,capacity_mAh", 1e-3),
        ("Cycle;DChg. Capacity(As)", 1 / 3600),
    ],
)
def test_names_and_units_of_columns_are_recognised(table, header, unit):
    """Assert that a table without a column of cells is named after the file."""
    separator = ";" if ";" in header else ","
    rows = "".join(f"{cycle}{separator}{1000 - cycle}\n" for cycle in (1, 2, 3))
    (cell,) = read_capacity_csv(table(f"{header}\n{rows}"))
    assert cell.name == "cell_25.1degC"
    np.testing.assert_allclose(cell.capacity_ah, unit * np.array([999, 998, 997]))
    assert any("discharge capacity from" in line for line in cell.meta["statements"])


def test_the_discharge_capacity_is_preferred(table):
    path = table("cycle,Charge_Capacity (Ah),Discharge_Capacity (Ah)\n1,3,2\n2,3,2\n")
    assert read_capacity_csv(path)[0].capacity_ah.tolist() == [2, 2]
    with pytest.raises(DataError, match="no column that is known as a discharge"):
        read_capacity_csv(table("cycle,Charge_Capacity (Ah)\n1,3\n"))


def test_cycle_summaries_of_batteryarchive(table):
    """Assert that the file is recognised, though voltage and current occur in it."""
    header = (
        "Cycle_Index,Start_Time,End_Time,Test_Time (s),Min_Current (A),Max_Current (A),"
        "Min_Voltage (V),Max_Voltage (V),Charge_Capacity (Ah),Discharge_Capacity (Ah),"
        "Charge_Energy (Wh),Discharge_Energy (Wh)"
    )
    rows = "".join(
        f"{cycle}.0,2010-09-0{cycle} 14:35:40,2010-09-0{cycle} 18:35:40,{cycle}e4,-1.3,"
        f"1.3,2.7,4.2,1.4,{1.3 - cycle / 100},5.0,4.8\n"
        for cycle in (1, 2, 3)
    )
    (cell,) = read_file(table(f"{header}\n{rows}"))
    np.testing.assert_allclose(cell.capacity_ah, [1.29, 1.28, 1.27])
    assert cell.per_cycle["charge_capacity_ah"].tolist() == [1.4, 1.4, 1.4]


@pytest.mark.parametrize(
    ("header", "value"),
    [("Charge capacity (mAh/g)", "3"), ("charge_capacity_Ah", "x")],
)
def test_a_charge_capacity_that_cannot_be_read_is_stated(table, header, value):
    path = table(f"cycle,capacity_Ah,{header}\n1,1.1,{value}\n2,1.0,{value}\n")
    (cell,) = read_capacity_csv(path)
    assert cell.per_cycle == {}
    assert any("no charge capacity: " in line for line in cell.meta["statements"])


def test_numbers_as_names_of_cells(table):
    cells = read_capacity_csv(table("cell,cycle,capacity_Ah\n2,1,1.0\n1,1,1.1\n"))
    assert [cell.name for cell in cells] == ["2", "1"]


def test_encoding_separator_and_decimal_comma(table):
    text = "cell;cycle;capacity_Ah;T (°C)\nk;1;1,05;25\nk;2;1,04;25\n"
    (cell,) = read_capacity_csv(table(text, "cp1252"), meta=["T (°C)"])
    assert cell.capacity_ah.tolist() == [1.05, 1.04]
    assert cell.meta["T (°C)"] == "25"


def test_capacities_that_are_all_negative_change_their_sign(table):
    path = table("cycle,capacity_Ah\n1,-1.1\n2,\n3,-1.0\n")
    (cell,) = read_capacity_csv(path)
    np.testing.assert_array_equal(cell.capacity_ah, [1.1, np.nan, 1.0])
    assert "sign reversed" in cell.meta["statements"][-1]


def test_repeated_cycles_are_stated(table):
    (cell,) = read_capacity_csv(table("cycle,capacity_Ah\n1,1.1\n2,1.0\n2,0.9\n"))
    assert cell.cycle.tolist() == [1, 2, 2]
    assert "the first is 2" in cell.meta["statements"][-1]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "cell,n,x\na,1,2\n",
            {},
            r"no column that is known as a cycle number; .* \['cell', 'n', 'x'\]",
        ),
        ("cell,n,x\na,1,2\n", {"cycle": "N"}, "no column 'N'"),
        ("cell,cycle,capacity_Ah\na,1,1.0\na,2,one\n", {}, "line 3: .*'one'"),
        ("cell,cycle,capacity_Ah\na,,1.0\na,2,1.0\n", {}, "line 2: cycle must be an"),
        ("cell,cycle,capacity_Ah\na,1.5,1.0\n", {}, "line 2: .* integer, got 1.5"),
        (
            "cell,cycle,capacity_Ah\na,3,1.0\nb,1,1\na,2,1.0\n",
            {},
            "line 4: cycle decreases from 3 to 2",
        ),
        (
            "cell,cycle,capacity_Ah,p\na,1,1,x\na,2,1,y\n",
            {"protocol": "p"},
            "line 3: p is 'y', but 'x'",
        ),
        ("cell,cycle,capacity_Ah\na,1,1\n,2,1\n", {}, "line 3: cell is empty"),
        ("cycle,capacity_Ah\n1,1\n2,-1\n", {}, "line 3: capacity_Ah is negative"),
        ("cycle,capacity\n1,1100\n2,1000\n", {}, "up to 1100 Ah.* 'capacity_mAh'"),
        ("cycle,capacity\n1,100\n2,98\n", {}, "starts at exactly 100, as relative"),
        ("cycle,capacity\n1,1\n2,0.98\n", {}, "'capacity_Ah'"),
        ("1,1.1\n2,1.0\n3,1.0\n", {}, "has no header line; expected names"),
        ("cycle,capacity (%)\n1,99\n2,98\n", {}, "has the unit '%'; expected a charge"),
        ("cycle,capacity (mAh/g)\n1,9\n2,8\n", {}, "has the unit 'mAh/g'"),
        (
            "cycle,Cycle,capacity_Ah\n1,1,1.0\n2,2,1.0\n",
            {},
            r"\['cycle', 'Cycle'\], which are all known as a cycle number",
        ),
    ],
)
def test_errors_name_file_line_and_column(table, text, options, message):
    with pytest.raises(DataError, match=message):
        read_capacity_csv(table(text), **options)


def test_a_table_per_cycle_with_mean_voltages_is_not_a_log(table):
    """Assert that the kind of a file is found from its rows, not from its header."""
    header = "Cycle,Test Time (s),Current (A),Voltage (V),Discharge Capacity (Ah)\n"
    rows = "".join(f"{cycle},{cycle}e4,-1,3.7,{2 - cycle / 10}\n" for cycle in range(9))
    (cell,) = read_file(table(header + rows))
    np.testing.assert_allclose(cell.capacity_ah, 2 - np.arange(9) / 10)


@pytest.mark.parametrize(
    ("name", "options", "num_cells"),
    [
        ("baumhofer2014", {}, 32),
        ("xjtu", {"cycle": "record", "protocol": "protocol"}, 36),
        ("sunwoda2024", {"meta": ["temperature_C"]}, 20),
        ("tju", {"cycle": "record", "batch": "chemistry"}, 94),
    ],
)
def test_real_tables(data_folder, name, options, num_cells):
    cells = read_capacity_csv(data_folder / name / "capacity.csv", **options)
    assert len(cells) == num_cells


def test_a_named_column_may_start_at_one(table):
    path = table("cycle,capacity\n1,1\n2,0.98\n")
    (cell,) = read_capacity_csv(path, capacity_ah="capacity")
    np.testing.assert_array_equal(cell.capacity_ah, [1, 0.98])
