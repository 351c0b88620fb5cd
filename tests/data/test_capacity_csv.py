"""`read_capacity_csv` reads the named columns; errors name file, column and line."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import read_capacity_csv


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_text(text)
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
    assert (cell.protocol, cell.batch, cell.meta) == ("2C", "A", {"T": "25"})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "cell,n\n",
            {},
            r"table.csv has no column 'cycle'; its columns are \['cell', 'n'\]",
        ),
        ("cell,cycle,capacity_Ah\n", {}, "a header but no rows"),
        (
            "cell,cycle,capacity_Ah\na,1,1.0\na,2,one\n",
            {},
            "line 3: capacity_Ah must be a number, got 'one'",
        ),
        (
            "cell,cycle,capacity_Ah\na,,1.0\n",
            {},
            "line 2: cycle must be a number, got ''",
        ),
        (
            "cell,cycle,capacity_Ah\na,1.5,1.0\n",
            {},
            "line 2: cycle must be an integer",
        ),
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
    ],
)
def test_errors_name_file_line_and_column(table, text, options, message):
    with pytest.raises(DataError, match=message):
        read_capacity_csv(table(text), **options)


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
