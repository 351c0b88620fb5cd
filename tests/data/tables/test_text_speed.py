"""A long csv log becomes a table in a fraction of a second."""

import time

import numpy as np

from battprob.data.tables.read import read_tables


def test_cpu_time_of_two_hundred_thousand_rows(tmp_path):
    seconds = np.arange(200_000.0)
    columns = [seconds, 3.5 + np.sin(seconds), np.cos(seconds), seconds // 7200]
    path = tmp_path / "log.csv"
    row = "%.3f,%.6f,%.6f,%d\n"
    path.write_text("t / s,U / V,I / A,cycle\n" + "".join(
        row % values for values in zip(*columns, strict=True)
    ))  # fmt: skip
    read_tables(path)  # imports pyarrow
    start = time.process_time()
    (table,) = read_tables(path)
    assert time.process_time() - start < 1.0  # 0.05 s on an idle laptop
    np.testing.assert_allclose(table.columns[0], seconds)
    np.testing.assert_array_equal(table.lines, 2 + np.arange(200_000))
