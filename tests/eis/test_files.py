"""`battprob eis` computes parameters with units from files; errors are one line."""

import csv
import re

import numpy as np
import pytest

from battprob import cli
from battprob.eis import Circuit

FREQUENCY = np.logspace(4, -2, 40)
CIRCUIT = Circuit("R0-p(R1,CPE1)-W1")
TRUTH = np.array([0.02, 0.008, 0.4, 0.85, 2.5e-3])


@pytest.fixture(autouse=True)
def _keep_jax_settings(monkeypatch):
    monkeypatch.setattr(cli, "_set_up_jax", lambda: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY))
    rng = np.random.default_rng(0)
    made = tmp_path_factory.mktemp("spectra")
    for i in range(3):
        noisy = z * (1 + 0.005 * (rng.normal(size=40) + 1j * rng.normal(size=40)))
        rows = zip(FREQUENCY, noisy.real, noisy.imag, strict=True)
        lines = ["freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm", *(f"{f},{a},{b}" for f, a, b in rows)]
        (made / f"cell{i}.csv").write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture(scope="module")
def two_peaks(tmp_path_factory):
    frequency = np.logspace(-4, 4, 81)
    turn = 2j * np.pi * frequency
    z = 20 + 50 / (1 + (0.1 * turn) ** 0.8) + 50 / (1 + (10 * turn) ** 0.8)
    noise = np.random.default_rng(0).normal(size=(2, 81))
    z = z + 0.5 * (noise[0] + 1j * noise[1])
    path = tmp_path_factory.mktemp("drt") / "two.csv"
    rows = zip(frequency, z.real, z.imag, strict=True)
    lines = ["freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm", *(f"{f},{a},{b}" for f, a, b in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_is_checked(two_peaks, capsys):
    assert cli.main(["eis", "check", str(two_peaks)]) == 0
    assert "two: consistent with Kramers-Kronig, p = " in capsys.readouterr().out
    assert cli.main(["eis", "check", str(two_peaks), "--admittance"]) == 0


def test_a_folder_is_checked_together(folder, capsys):
    assert cli.main(["eis", "check", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"cell\d: consistent with Kramers-Kronig", printed)) == 3
    assert "together, at 5 % for all of them: 0 of 3 spectra inconsistent" in printed


def test_sweeps_in_one_file_are_separate(folder, tmp_path, capsys):
    """Assert that a repeated sweep is a second spectrum, which is stated."""
    first, second = ((folder / f"cell{i}.csv").read_text() for i in (0, 1))
    path = tmp_path / "mixed.csv"
    path.write_text(first + second.split("\n", 1)[1])
    assert cli.main(["eis", "check", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "2 spectra: a new one starts where the frequency jumps back" in printed
    assert len(re.findall(r"mixed/\d: consistent with Kramers-Kronig", printed)) == 2


@pytest.mark.parametrize("command", [["fit", "--circuit", "R0"], ["check"], ["drt"]])
def test_reversed_sign_is_refused_by_every_command(
    command, two_peaks, tmp_path, capsys
):
    """Assert one line that names the column and the option that corrects it."""
    text = two_peaks.read_text()
    path = tmp_path / "turned.csv"
    path.write_text(text.replace(",-", ",").replace("Im(Z)/Ohm", "Zim"))
    assert cli.main(["eis", *command, str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(r"'Zim'\) is positive at .*--imaginary-sign reverse", error)


def test_options_for_columns_and_sign(two_peaks, tmp_path, capsys):
    """Assert that the options of the command reach the reader of spectra."""
    lines = two_peaks.read_text().splitlines()[1:]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["x (Hz),a,b", *lines]))
    columns = ["--frequency", "x (Hz)", "--real", "a"]
    check = ["eis", "check", str(path), *columns]
    assert cli.main([*check, "--imaginary", "b"]) == 0
    assert "frequency from column 'x (Hz)', in Hz" in capsys.readouterr().out
    assert cli.main([*check, "--minus-imaginary", "b"]) == 2
    assert "is positive at" in capsys.readouterr().err
    reverse = ["--minus-imaginary", "b", "--imaginary-sign", "reverse"]
    assert cli.main([*check, *reverse]) == 0
    assert "own: consistent with Kramers-Kronig" in capsys.readouterr().out
    assert cli.main([*check, "--imaginary", "b", "--area-cm2", "2"]) == 2
    assert "area_cm2 is given, but column 'a' is not in ohm" in capsys.readouterr().err


def test_a_file_has_relaxation_times(two_peaks, tmp_path, capsys):
    out = tmp_path / "gamma.csv"
    assert cli.main(["eis", "drt", str(two_peaks), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"τ = .* s .* Ω", printed)) == 2
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 200
    assert all(float(r["5 % (ohm)"]) < float(r["95 % (ohm)"]) for r in rows)


def test_a_folder_becomes_one_table(folder, tmp_path, capsys):
    out = tmp_path / "fits.csv"
    command = ["eis", "fit", str(folder), "--circuit", str(CIRCUIT), "-o", str(out)]
    assert cli.main(command) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["spectrum"] for row in rows] == ["cell0", "cell1", "cell2"]
    assert {"R0 (Ohm)", "R0_sd (Ohm)", "R0_identified", "CPE1_1"} <= set(rows[0])
    for row in rows:
        error = float(row["R1 (Ohm)"]) - TRUTH[1]
        assert abs(error) < 4 * float(row["R1_sd (Ohm)"])
        assert (row["R1_identified"], row["misfit"]) == ("True", "False")
    assert "3 rows in" in capsys.readouterr().out


def test_one_file_prints_its_parameters(folder, capsys):
    file = str(folder / "cell0.csv")
    assert cli.main(["eis", "fit", file, "--circuit", str(CIRCUIT)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"R0 +0\.0\d+ ± \S+ +Ohm", printed)
    assert "cell0: every parameter identified, no misfit" in printed


def test_candidates_are_compared(folder, capsys):
    file = str(folder / "cell0.csv")
    assert cli.main(["eis", "compare", file, "--circuit", str(CIRCUIT)]) == 0
    printed = capsys.readouterr().out
    assert "log evidence" in printed
    assert re.search(r"R1 +0\.00\d+ ±", printed)


@pytest.mark.parametrize(
    ("file", "circuit", "message"),
    [
        ("absent.csv", "R0", "no file"),
        ("empty", "R0", "no spectra in the folder"),
        ("cell0.csv", "R0-p(R1,X1)", "no element 'X1'.* at character 9"),
        ("cell0.csv", "R0-p(R1,C1", r"expected ',' or '\)'"),
        ("turned.csv", "R0-p(R1,C1)", r"Im Z of spectrum 0 is positive.*conj\(\)"),
        ("short.csv", "R0-p(R1,C1)-W1", "1 frequencies are too few for the 4 free"),
        ("nan.csv", "R0", "line 2: Re.* is missing; correct or remove this row"),
        ("negative.csv", "R0", "line 3: freq/Hz is -1; expected a positive"),
        ("word.csv", "R0", "line 3"),
    ],
)
def test_errors_are_one_line(file, circuit, message, folder, tmp_path, capsys):
    head = "freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm\n"
    (tmp_path / "empty").mkdir()
    texts = {
        "turned.csv": "10,1,0.5\n1,2,0.7\n",
        "short.csv": "10,1,-0.5\n",
        "nan.csv": "10,nan,-0.5\n1,1,-1\n",
        "negative.csv": "10,1,-0.5\n-1,1,-1\n",
        "word.csv": "10,1,-0.5\nx,1,-1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(head + text)
    where = folder if file == "cell0.csv" else tmp_path
    assert cli.main(["eis", "fit", str(where / file), "--circuit", circuit]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
