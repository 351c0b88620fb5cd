"""The command line does what its help says, and tells errors in one line."""

import json
import re

import numpy as np
import pytest

from battprob import cli, life
from battprob.data import population


@pytest.fixture(autouse=True)
def _keep_jax_settings(monkeypatch):
    # The tests have x64 and a compilation cache of their own.
    monkeypatch.setattr(cli, "_set_up_jax", lambda: None)


# One shape for all that is fitted here: a fit is compiled once.
BATCHES = np.repeat(["A", "B", "C"], [5, 5, 6])
COLUMNS = "fade_slope,delta_q_log10_variance"


@pytest.fixture
def table(tmp_path):
    """A table of features with a batch, whose life depends on one feature."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 2))
    life = np.exp(6.5 + 0.4 * x[:, 0] + 0.05 * rng.normal(size=16))
    path = tmp_path / "features.csv"
    lines = [
        f"{a},{b},{batch},{y}"
        for (a, b), batch, y in zip(x, BATCHES, life, strict=True)
    ]
    path.write_text("\n".join([f"{COLUMNS},batch,cycle_life", *lines]) + "\n")
    return path


def test_life_of_a_table(table, tmp_path, capsys):
    """Assert that a table is scored by held-out batches and every cell is written."""
    out = tmp_path / "lives.json"
    assert cli.main(["life", str(table), "--group", "batch", "--json", str(out)]) == 0
    records = json.loads(out.read_text())
    assert len(records) == 16
    for record in records:
        assert record["q05"] < record["q50"] < record["q95"]
        assert record["aleatoric_sd"] > 0
        assert record["epistemic_sd"] > 0
    printed = capsys.readouterr().out
    assert "held out" in printed
    assert "epistemic" in printed


def test_models_of_a_table_are_compared(table, tmp_path, capsys):
    """Assert that models are scored by held-out batches and the report is written."""
    folder = tmp_path / "report"
    arguments = ["compare", str(table), "--group", "batch"]
    assert cli.main([*arguments, "--report", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "16 held-out targets in 3 groups." in printed
    assert re.search(r"line +\S+ ± \S+", printed)
    kept = json.loads((folder / "report.json").read_text())
    assert set(kept["models"]) == {"line", "default"}
    assert (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["life", "absent.npz"], "no file absent.npz"),
        (
            ["life", "{table}", "--features", "fade_slope,humidity"],
            "no column 'humidity'",
        ),
        (["life", "{table}"], "line 2: column 'batch' holds 'A'.*--features"),
        (["life", "{table}", "--target", "lifetime", "--group", "batch"], "no life"),
        (["life", "{empty}"], "is empty"),
        (["life", "{gap}"], "'slope' is missing or infinite.*line 3"),
        (["life", "{few}"], "fewer cells than features"),
    ],
)
def test_errors_are_one_line(arguments, message, table, tmp_path, capsys):
    """Assert that bad input exits with 2 and one line that says what to do."""
    files = {
        "table": table,
        "empty": tmp_path / "empty.csv",
        "gap": tmp_path / "gap.csv",
        "few": tmp_path / "few.csv",
    }
    files["empty"].write_text("")
    files["gap"].write_text("slope,cycle_life\n0.1,500\n,600\n0.3,700\n")
    files["few"].write_text("a,b,c,cycle_life\n1,2,3,500\n2,3,5,700\n")
    arguments = [part.format(**files) for part in arguments]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_features_of_cells_feed_life(tmp_path, capsys):
    """Assert that a table made by one command is what the other learns from."""
    cells = population(16, seed=3).cells
    pack = tmp_path / "pack.npz"
    np.savez(
        pack,
        Qdlin=np.round(np.stack([c.curve_capacity_ah for c in cells]) / 1e-5).astype(
            int
        ),
        scale=1e-5,
        voltage=cells[0].voltage_v,
        cycles=cells[0].curve_cycle,
        cycle_life=[c.cycle_life for c in cells],
        batch_date=BATCHES,
        source_file=[f"{c.name}.csv" for c in cells],
        charge_time_0_80_min=np.full(16, 10.0),
        **{name: np.full(16, "train") for name in ("split", "policy", "barcode")},
    )
    table = tmp_path / "features.csv"
    assert cli.main(["features", str(pack), "-o", str(table)]) == 0
    assert "16 rows" in capsys.readouterr().out
    (source,) = life.read(table)  # the batches without being told of the column
    assert source.table.groups == tuple(BATCHES)
    command = ["life", str(table), "--group", "group", "--features", COLUMNS]
    assert cli.main(command) == 0
    assert "held out" in capsys.readouterr().out
