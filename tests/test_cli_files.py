"""`battprob inspect` and `battprob features` read files, and list what is missing."""

import csv

import numpy as np
import pytest

from battprob import cli

HEADER = "Test Time / s,Voltage / V,Current / A,Cycle Count / 1\n"


@pytest.fixture(autouse=True)
def _keep_jax_settings(monkeypatch):
    monkeypatch.setattr(cli, "_set_up_jax", lambda: None)


def write_log(path, *, fade=1e-3, num_cycles=12, low=3.0):
    """Charges and discharges of one hour, with less capacity in each cycle."""
    path.parent.mkdir(exist_ok=True)
    fraction = np.linspace(0, 1, 40)
    rows, start = [], 0.0
    for cycle in range(1, num_cycles + 1):
        hour = 3600 * (1 - fade * cycle)
        bend = 0.01 * cycle * fraction * (1 - fraction)
        for sign, voltage in ((1, low + fraction), (-1, low + 1 - fraction - bend)):
            time = start + hour * fraction
            rows += [
                f"{t:.3f},{v:.5f},{sign},{cycle}\n"
                for t, v in zip(time, voltage, strict=True)
            ]
            start = time[-1] + 60
    path.write_text(HEADER + "".join(rows))
    return path


def write_spectrum(path):
    frequency = np.geomspace(1e4, 0.1, 31)
    z = 1 + 2 / (1 + 0.1j * frequency)
    rows = [f"{f},{v.real},{-v.imag}\n" for f, v in zip(frequency, z, strict=True)]
    path.write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n" + "".join(rows))
    return path


def test_inspect_prints_columns_statements_and_cycles(tmp_path, capsys):
    path = write_log(tmp_path / "cell_25.1degC.csv")
    assert cli.main(["inspect", str(path)]) == 0
    output = capsys.readouterr().out
    for text in (
        "cycler log 'cell_25.1degC'",
        "cycles 1 to 12",
        "Columns of the file",
        "Voltage / V",
        "How it was read",
        "Cycles (12)",
    ):
        assert text in output
    assert max(map(len, output.splitlines())) <= 120


def test_inspect_of_a_folder_with_a_file_that_cannot_be_read(tmp_path, capsys):
    folder = tmp_path / "files"
    write_log(folder / "log.csv")
    write_spectrum(folder / "eis.csv")
    (folder / "table.csv").write_text("cycle,capacity_Ah\n1,1.1\n2,1.0\n")
    (folder / "bad.csv").write_text("apples,pears,plums\n1,2,3\n3,4,5\n")
    report = tmp_path / "report"
    assert cli.main(["inspect", str(folder), "--report", str(report)]) == 1
    output = capsys.readouterr()
    assert "3 of 4 files read" in output.out
    (error,) = output.err.splitlines()
    assert error.startswith(f"battprob inspect: {folder / 'bad.csv'}")
    assert "apples" in error
    for name in ("log", "eis", "table", "bad"):
        assert f"{name}.png" in (report / f"{name}.html").read_text()
        assert (report / f"{name}.png").stat().st_size > 10_000
        assert (report / f"{name}_columns.csv").exists()
    with open(report / "log_table.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 12
    assert (report / "log_steps.csv").exists()


def test_features_of_a_folder(tmp_path, capsys):
    folder = tmp_path / "files"
    write_log(folder / "a.csv")
    write_log(folder / "b.csv", fade=2e-3, low=3.1)
    write_log(folder / "short.csv", num_cycles=5)
    (folder / "bad.csv").write_text("apples,pears,plums\n1,2,3\n3,4,5\n")
    out = tmp_path / "features.csv"
    command = ["features", str(folder), "-o", str(out), "--cycles", "3,12"]
    assert cli.main([*command, "--voltages", "3.9,3.2,100"]) == 1
    output = capsys.readouterr()
    assert "3 rows and 13 features written" in output.out
    assert "short: 6 features are missing (NaN): no cycle 12: the record" in output.out
    (error,) = output.err.splitlines()
    assert error.startswith(f"battprob features: {folder / 'bad.csv'}")
    with open(out, newline="") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    slope = "fade_slope [Ah/cycle]"
    np.testing.assert_allclose(
        [float(rows["a"][slope]), float(rows["b"][slope])], [-1e-3, -2e-3], rtol=0.01
    )
    assert rows["short"][slope] == ""
    with open(tmp_path / "features_failures.csv", newline="") as file:
        failures = list(csv.DictReader(file))
    assert [f["file or cell"] for f in failures[:2]] == [
        str(folder / "bad.csv"),
        "short",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cycles", "3"], "expected two cycle numbers such as 10,100; got '3'"),
        (["--cycles", "a,b"], "expected two cycle numbers"),
        (["--voltages", "3.9"], "expected voltages such as 4.1,2.8 or 4.1,2.8,500"),
        (["--voltages", "3.9,3.9"], "expected voltages"),
    ],
)
def test_features_with_invalid_options(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit):
        cli.main(["features", str(tmp_path), "-o", "x.csv", *options])
    assert message in capsys.readouterr().err


def test_features_of_spectra_with_the_wrong_sign(tmp_path, capsys):
    """The error names the option, and the option reverses the sign."""
    path = write_spectrum(tmp_path / "a.csv")
    path.write_text(path.read_text().replace("-Im(Z)", "Im(Z)"))
    command = ["features", str(path), "-o", str(tmp_path / "out.csv")]
    assert cli.main(command) == 2
    assert "features: --imaginary-sign reverse" in capsys.readouterr().err
    assert cli.main([*command, "--imaginary-sign", "reverse"]) == 0
    assert "1 rows" in capsys.readouterr().out
