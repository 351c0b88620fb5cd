"""`features_of_files` makes one table from files and lists what is missing in it."""

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
    assert made.notes[-1] == (
        "curves on 1000 voltages, 4.1 to 2.5 V (limited by a.csv)"
    )
    assert any("b: positive current" in line for line in made.notes)
    assert made.missing == made.failures == ()
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
        DataError, match=r"one type of records, got TimeSeries: a.csv; Spectrum: b.csv"
    ):
        features_of_files([log, spectrum])
    with pytest.raises(DataError, match="no file"):
        features_of_files([tmp_path / "c.csv"])
    with pytest.raises(DataError, match="got none"):
        features_of_files([])
    short = tmp_path / "e.csv"
    short.write_text("".join(log.read_text().splitlines(keepends=True)[:60]))
    with pytest.raises(DataError, match=r"'e' has only cycle 1; .* 10 and 100: choose"):
        features_of_files([short])
    capacities = tmp_path / "d.csv"
    capacities.write_text("cell,cycle,capacity_Ah\nu,1,1.0\nu,99,\n")
    with pytest.raises(
        DataError, match="'u' has no feature: no discharge curves; no capacity at cycle"
    ):
        features_of_files([capacities])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.npz", r"a.npz is not a pack: expected an .npz file"),
        ("a.mat", r"a.mat is not a MATR batch file: expected MATLAB 7.3"),
        ("a.csv", r"a.csv, line 3: .*voltage_v"),
    ],
)
def test_files_with_the_wrong_suffix_are_errors(tmp_path, name, message):
    path = tmp_path / name
    rows = "0,4.1,-1,1\n1,x,-1,1\n2,4.0,-1,1\n3,3.9,-1,1\n"
    path.write_text("time_s,voltage_v,current_a,cycle\n" + rows)
    with pytest.raises(DataError, match=message):
        features_of_files([path])


def test_spectra_of_one_frequency_are_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("freq,re,im\n1,2,-3\n")
    with pytest.raises(DataError, match=r"common frequency range; .* 1 Hz"):
        features_of_files([path])


def test_features_that_a_record_does_not_allow_are_missing_with_a_reason(tmp_path):
    paths = [write_log(tmp_path / "a.csv", 1e-3), tmp_path / "short.csv"]
    lines = paths[0].read_text().splitlines(keepends=True)
    paths[1].write_text("".join(lines[: 1 + 12 * 60]))
    made = features_of_files(paths, early_cycle=5, late_cycle=30)
    alone = features_of_files(paths[0], early_cycle=5, late_cycle=30)
    # A log without the two cycles does not change the voltages of the others.
    np.testing.assert_array_equal(made.table.x[0], alone.table.x[0])
    finite = np.isfinite(made.table.x[1])
    assert [n for n, f in zip(made.table.names, finite, strict=True) if f] == [
        "first_capacity"
    ]
    assert {item.cell for item in made.missing} == {"short"}
    reasons = {item.feature: item.reason for item in made.missing}
    assert len(reasons) == len(made.table.names) - 1
    assert reasons["fade_slope"] == "the record ends at cycle 12"
    assert reasons["delta_q_log10_variance"] == (
        "no cycle 30: the record ends at cycle 12"
    )


def test_tables_of_capacities_give_the_features_of_capacities(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"{cycle},{1.1 - 1e-3 * cycle}\n" for cycle in range(1, 31))
    path.write_text(f"Cycle_Index,Discharge_Capacity (Ah)\n{rows}")
    made = features_of_files(path, early_cycle=5, late_cycle=30)
    columns = ["first_capacity", "fade_slope", "late_capacity"]
    np.testing.assert_allclose(
        made.table.select(columns).x[0], [1.098, -1e-3, 1.07], rtol=1e-6
    )
    assert {item.reason for item in made.missing} == {"no discharge curves"}


def test_files_that_cannot_be_read_do_not_stop_the_others(tmp_path):
    write_log(tmp_path / "a.csv", 1e-3)
    (tmp_path / "bad.csv").write_text("apples,pears,plums\n1,2,3\n3,4,5\n")
    (tmp_path / "copy.csv").write_text((tmp_path / "a.csv").read_text())
    made = features_of_files(tmp_path, early_cycle=5, late_cycle=30)
    assert made.table.rows == ("a",)
    assert [failure.path.name for failure in made.failures] == ["bad.csv", "copy.csv"]


def test_cells_of_one_name_are_named_after_their_folders(tmp_path):
    for folder, fade in (("1", 1e-3), ("2", 2e-3)):
        (tmp_path / folder).mkdir()
        write_log(tmp_path / folder / "a.csv", fade)
    made = features_of_files(tmp_path, early_cycle=5, late_cycle=30)
    assert made.table.rows == ("1/a", "2/a")
    assert sum("is called '2/a'" in note for note in made.notes) == 1


def test_voltages_can_be_chosen(tmp_path):
    path = write_log(tmp_path / "a.csv", 1e-3)
    grid = np.linspace(4.0, 3.0, 50)
    made = features_of_files(path, early_cycle=5, late_cycle=30, voltage_v=grid)
    assert made.notes[-1] == "curves on 50 voltages, 4 to 3 V"
    assert np.isfinite(made.table.x).all()
    made = features_of_files(
        path, early_cycle=5, late_cycle=30, voltage_v=np.linspace(4.0, 2.0, 50)
    )
    reason = made.missing[0].reason
    assert reason.startswith("the curve of cycle 5 does not reach 2 to 2.4")
    assert "cycle 30 does not" in reason


def test_a_finished_file_is_not_read_again(tmp_path, monkeypatch):
    """Assert that long logs are read in two passes with the same result."""
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    paths = [write_log(folder / f"{fade}.csv", fade) for fade in (1e-3, 2e-3)]
    expected = features_of_files(paths, early_cycle=5, late_cycle=30)
    made = features_of_files(paths, early_cycle=5, late_cycle=30, cache=cache)
    np.testing.assert_array_equal(made.table.x, expected.table.x)
    assert made.notes == expected.notes
    assert len(list(cache.iterdir())) == 4
    monkeypatch.setattr("battprob.data.many.read_records", None)
    again = features_of_files(paths, early_cycle=5, late_cycle=30, cache=cache)
    np.testing.assert_array_equal(again.table.x, expected.table.x)


def test_real_logs_give_rows(data_folder):
    """Assert that logs of five instruments give all features."""
    files = {
        "arbin_res/arbin_example.res": (2, 4),
        "maccor_txt/maccor_three.txt": (2, 13),
        "neware_csv/nw_regular_export_ife_example.csv": (2, 19),
        "land/custom_data_002.xlsx": (2, 6),
        "eclab_mpt/gcpl.issue_149.mpt": (2, 3),
    }
    folder = data_folder / "instrument_files" / "cycler"
    if not folder.is_dir():
        pytest.skip("instrument files absent")
    for name, (early, late) in files.items():
        made = features_of_files(folder / name, early_cycle=early, late_cycle=late)
        assert np.isfinite(made.table.x).all(), name
