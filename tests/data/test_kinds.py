"""The kind of a file follows from the values of its columns, not from names alone."""

import numpy as np
import pytest

from battprob.data.kinds import kind_of
from battprob.data.tables.read import read_tables

LOG = "time/s,Ewe/V,I/mA"
SPECTRUM = "freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm"
FREQUENCY = np.geomspace(1e4, 1, 9)


def kind(folder, header, rows):
    path = folder / "a.csv"
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join([header, *lines]))
    return kind_of(read_tables(path), path)


def rest(count, impedance=("0", "0", "0"), more=()):
    return [(10 * i, 3.7, -0.1, *impedance, *more) for i in range(count)]


def sweep(frequency=FREQUENCY, more=()):
    return [(1000 + i, 3.6, 0, f, 1, 0.2, *more) for i, f in enumerate(frequency)]


def test_a_sweep_after_a_long_rest_is_a_spectrum(tmp_path):
    assert kind(tmp_path, f"{LOG},{SPECTRUM}", rest(100) + sweep()) == "spectra"


@pytest.mark.parametrize("impedance", [("0", "0", "0"), ("", "", "")])
def test_a_log_with_an_impedance_at_one_frequency_is_a_log(impedance, tmp_path):
    rows = rest(100, impedance) + sweep([1e3] * 9)
    assert kind(tmp_path, f"{LOG},{SPECTRUM}", rows) == "log"


def test_a_log_with_empty_columns_of_impedance_is_a_log(tmp_path):
    rows = rest(100, ("", "", "")) + sweep()
    assert kind(tmp_path, f"{LOG},{SPECTRUM}", rows) == "log"


def test_a_log_that_counts_charge_is_a_log_also_with_a_sweep(tmp_path):
    rows = rest(100, more=(2.0,)) + sweep(more=(2.0,))
    header = f"{LOG},{SPECTRUM},Q discharge/mA.h"
    assert kind(tmp_path, header, rows) == "log"


def test_complex_numbers_are_spectra(tmp_path):
    rows = [(f, "0.1-0.2j") for f in FREQUENCY]
    assert kind(tmp_path, "frequency,impedance", rows) == "spectra"
