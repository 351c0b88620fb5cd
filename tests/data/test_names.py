"""Records are named after their files, and files of one name by their paths."""

from pathlib import Path

import pytest

from battprob.data.names import distinct_names, record_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("cell_25.1degC.csv", "cell_25.1degC"),
        ("a/b.bdf.csv", "b"),
        ("b.bdf.parquet", "b"),
        ("c.csv.gz", "c"),
        ("c.BDF.CSV.GZ", "c"),
        ("PreDiag_000229.034", "PreDiag_000229"),
        ("no_suffix", "no_suffix"),
    ],
)
def test_the_whole_stem_is_the_name(file, name):
    assert record_name(file) == name


def test_files_of_one_name_are_distinguished_by_folder_or_else_by_suffix():
    paths = ["1/d/a.csv", "2/d/a.csv", "1/d/t.001", "1/d/t.002", "1/d/b.csv"]
    names = distinct_names([Path(path) for path in paths])
    assert list(names.values()) == ["1/d/a", "2/d/a", "t.001", "t.002", "b"]
