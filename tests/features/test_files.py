"""`features_of_files` makes one table from files and lists assumptions."""

import numpy as np
import pytest

from battprob import DataError
from battprob.features import FeatureTable
from battprob.features.files import features_of_files

HEADER = "Test Time / s,Voltage / V,Current / A,Cycle Count / 1\n"


def write_log(path, fade, low=2.5):
    """Thirty cycles of a cell whose capacity decreases by `fade` Ah per cycle."""
    lines = [HEADER]
    for cycle in range(1, 31):
        capacity = 1.1 - fade * cycle
        charge = np.linspace(0, 1, 60)
        voltage = (
            4.1 - (4.1 - low) * charge**1.5 - 0.001 * cycle * charge * (1 - charge)
        )
        time = 1e4 * cycle + 3600 * capacity * charge
        lines += [f"{t},{v},-1,{cycle}\n" for t, v in zip(time, voltage, strict=True)]
    path.write_text("".join(lines))
    return path


def write_spectrum(path, scale, high=1e4):
    frequency = np.geomspace(high, 0.1, 31)
    z = scale * (1 + 2 / (1 + 0.1j * frequency))
    rows = [f"{f},{v.real},{-v.imag}\n" for f, v in zip(frequency, z, strict=True)]
    path.write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n" + "".join(rows))
    return path


def test_cycler_logs(tmp_path):
    paths = [
        write_log(tmp_path / "a.csv", 1e-4),
        write_log(tmp_path / "b.bdf.csv", 2e-3, low=2.4),
    ]
    made = features_of_files(paths, early_cycle=5, late_cycle=30)
    assert made.table.rows == ("a", "b")
    slopes = made.table.select(["fade_slope"]).x[:, 0]
    np.testing.assert_allclose(slopes, [-1e-4, -2e-3], rtol=0.01)
    assert np.isfinite(made.table.x).all()
    assert "curves on 1000 voltages, 4.1 to 2.5 V" in made.notes
    assert any("b: positive current" in line for line in made.notes)
    made.to_dataframe().to_csv(tmp_path / "features.csv")
    again = FeatureTable.from_csv(tmp_path / "features.csv")
    np.testing.assert_array_equal(again.x, made.table.x)


def test_spectra(tmp_path):
    paths = [
        write_spectrum(tmp_path / "a.csv", 1.0),
        write_spectrum(tmp_path / "b.txt", 3.0, high=1e3),
    ]
    made = features_of_files(paths)
    assert made.table.x.shape == (2, 2 * 21)
    assert made.table.names[0] == "re_z_1000hz"
    assert made.cycle_life is None
    assert "21 frequencies, 1000 to 0.1 Hz" in made.notes
    assert any("its sign reversed" in line for line in made.notes)


def test_pack_with_recorded_lives(data_folder):
    made = features_of_files([data_folder / "severson" / "severson.npz"])
    assert made.cycle_life is not None
    frame = made.to_dataframe()
    np.testing.assert_array_equal(frame["cycle_life"], made.cycle_life)
    assert len(frame) == len(made.table.rows)


def test_invalid_files_are_errors(tmp_path):
    log = write_log(tmp_path / "a.csv", 1e-4)
    spectrum = write_spectrum(tmp_path / "b.csv", 1.0)
    with pytest.raises(
        DataError, match=r"one type of records, got a.csv \(TimeSeries\), b.csv"
    ):
        features_of_files([log, spectrum])
    with pytest.raises(DataError, match="no file"):
        features_of_files([tmp_path / "c.csv"])
    with pytest.raises(DataError, match="got none"):
        features_of_files([])
    with pytest.raises(DataError, match="'a' has no discharge curve at cycle 100"):
        features_of_files([log])
    capacities = tmp_path / "d.csv"
    capacities.write_text("cell,cycle,capacity_Ah\nu,1,1.0\n")
    with pytest.raises(DataError, match="'u' has no discharge curves, only capacities"):
        features_of_files([capacities])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.npz", r"a.npz is not a pack: expected an .npz file"),
        ("a.mat", r"a.mat is not a MATR batch file: expected MATLAB 7.3"),
        ("a.csv", r"a.csv, line 3: voltage_v must be a number"),
    ],
)
def test_files_with_the_wrong_suffix_are_errors(tmp_path, name, message):
    path = tmp_path / name
    path.write_text("time_s,voltage_v,current_a,cycle\n0,4.1,-1,1\n1,x,-1,1\n")
    with pytest.raises(DataError, match=message):
        features_of_files([path])


def test_spectra_of_one_frequency_are_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("freq,re,im\n1,2,-3\n")
    with pytest.raises(DataError, match=r"common frequency range; .* 1 Hz"):
        features_of_files([path])
