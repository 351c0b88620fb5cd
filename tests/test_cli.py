"""The command line does what its help says and reports errors in one line."""

import argparse
import json
import re

import numpy as np
import pytest

from battprob import Predictive, cli
from battprob.cli import life
from battprob.cli._forecast import quantile_texts
from battprob.data import population, readers, register_reader
from battprob.transforms import Log


@pytest.fixture(autouse=True)
def _keep_jax_settings(monkeypatch):
    # The tests set up x64 and a compilation cache themselves.
    monkeypatch.setattr(cli, "_set_up_jax", lambda: None)


# All fits have the same shape, so that a fit is compiled once.
BATCHES = np.repeat(["A", "B", "C"], [5, 5, 6])
COLUMNS = "fade_slope,delta_q_log10_variance"


@pytest.fixture
def table(tmp_path):
    """A table with two features and a batch; life depends on the first feature."""
    return write_table(tmp_path / "features.csv", seed=0)


def write_table(path, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, 2))
    life = np.exp(6.5 + 0.4 * x[:, 0] + 0.05 * rng.normal(size=16))
    lines = [
        f"{a},{b},{batch},{y}"
        for (a, b), batch, y in zip(x, BATCHES, life, strict=True)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([f"{COLUMNS},batch,cycle_life", *lines]) + "\n")
    return path


def write_pack(path, split):
    """A pack of 16 synthetic cells with three batches; `split` names theirs."""
    cells = population(16, seed=3).cells
    curves = np.stack([c.curve_capacity_ah for c in cells])
    np.savez(
        path,
        Qdlin=np.round(curves / 1e-5).astype(int),
        scale=1e-5,
        voltage=cells[0].voltage_v,
        cycles=cells[0].curve_cycle,
        cycle_life=[c.cycle_life for c in cells],
        batch_date=BATCHES,
        source_file=[f"{c.name}.csv" for c in cells],
        charge_time_0_80_min=np.full(16, 10.0),
        split=split,
        policy=np.full(16, "fast"),
        barcode=np.full(16, "none"),
    )
    return path


def test_life_of_a_table(table, tmp_path, capsys):
    """Assert that whole batches are left out and every prediction is written."""
    out = tmp_path / "lives.json"
    assert cli.main(["life", str(table), "--group", "batch", "--json", str(out)]) == 0
    records = json.loads(out.read_text())
    assert len(records) == 16
    for record in records:
        assert record["q05"] < record["q50"] < record["q95"]
        assert record["aleatoric_sd"] > 0
        assert record["epistemic_sd"] > 0
    printed = capsys.readouterr().out
    assert "cross-validated" in printed
    # The printed point prediction is the median, and its column says so.
    (heading,) = re.findall(r"^cell +median +5 % +95 %.*$", printed, re.M)
    assert heading.split("95 %")[1].split() == [
        *("aleatoric", "sd", "epistemic", "sd", "observed")
    ]
    widest = max(records, key=lambda record: record["epistemic_sd"])
    numbers = [f"{widest[key]:.0f}" for key in ("q50", "q05", "q95")]
    assert re.search(rf"{widest['cell']} +{' +'.join(numbers)} ", printed)


def test_repeated_options_keep_every_file_and_column(table, tmp_path, capsys):
    """Assert that no file or column of a repeated option is dropped."""
    tests = [
        write_table(tmp_path / name, seed)
        for seed, name in enumerate(("a/cells.csv", "b/cells.csv", "c.csv"), 1)
    ]
    out = tmp_path / "lives.json"
    first, second = COLUMNS.split(",")
    command = ["life", str(table), "--group", "batch", "--json", str(out)]
    command += ["--features", first, "--features", second]
    command += ["--test", str(tests[0]), str(tests[1]), "--test", str(tests[2])]
    assert cli.main(command) == 0
    # Files with the same name are told apart by their paths.
    names = [f"{tests[0]}: cells", f"{tests[1]}: cells", "c"]
    split = [record["split"] for record in json.loads(out.read_text())]
    assert split == [name for name in names for _ in range(16)]
    printed = capsys.readouterr().out
    for name in names:
        assert re.search(rf"^{re.escape(name)}( +[\d.e+]+){{6}}$", printed, re.M)


def every_option(parser, command=()):
    """All options of all commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from every_option(child, (*command, name))
        elif action.option_strings and action.nargs != 0:
            yield " ".join((*command, action.option_strings[-1])), parser, action


def test_no_option_drops_a_value():
    """Assert that a repeated option keeps all values or is refused by its name."""
    seen = set()
    for name, parser, action in every_option(cli._parser()):
        seen.add(name)
        namespace = argparse.Namespace(**{action.dest: None})
        action(parser, namespace, ["a"], action.option_strings[-1])
        refusal = None
        try:
            action(parser, namespace, ["b"], action.option_strings[-1])
        except argparse.ArgumentError as error:
            refusal = str(error)
        if refusal is None:
            assert len(getattr(namespace, action.dest)) == 2, name
        else:
            assert "given more than once" in refusal, name
            assert action.option_strings[-1] in refusal, name
    assert {"life --test", "eis fit --by", "design ask --campaign"} <= seen


def test_a_repeated_single_value_is_refused_by_name(capsys):
    """Assert that the command ends with status 2 and names the option."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(["life", "cells.csv", "--target", "a", "--target", "b"])
    assert re.search("argument --target: given more than once", capsys.readouterr().err)


def test_the_model_is_fitted_to_the_split_train(tmp_path, capsys):
    """Assert that the order of a pack's splits does not choose the training cells."""
    split = np.repeat(["later", "train"], [5, 11])
    sources = life.read(write_pack(tmp_path / "pack.npz", split))
    assert [source.name for source in sources] == ["train", "later"]
    other = write_pack(tmp_path / "other.npz", np.repeat(["a", "b"], 8))
    assert cli.main(["life", str(other)]) == 2
    assert re.search(r"splits \['a', 'b'\].*'train'", capsys.readouterr().err)


def test_a_moment_that_does_not_exist_is_not_written():
    """Assert that JSON has the median, and null for a mean that is not finite."""
    pred = Predictive.gaussian(np.full(2, np.log(900.0)), 2000.0, transform=Log())
    table = life.from_cells("cells", population(2, seed=0).cells)
    (record, _) = life.records(table, pred)
    assert record["q50"] == pytest.approx(900)
    assert record["mean"] is None
    assert record["aleatoric_sd"] is None


def test_models_of_a_table_are_compared(table, tmp_path, capsys):
    """Assert that models are scored on the same left-out batches, and the report."""
    folder = tmp_path / "report"
    arguments = ["compare", str(table), "--group", "batch"]
    assert cli.main([*arguments, "--report", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "16 held-out targets in 3 groups." in printed
    assert re.search(r"linear +\S+ ± \S+", printed)
    kept = json.loads((folder / "report.json").read_text())
    assert set(kept["models"]) == {"linear", "default"}
    assert (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["life", "missing.npz"], "missing.npz does not exist"),
        (["life", "{table}", "--test", "{table}"], "given more than once"),
        (
            ["life", "{table}", "--features", "fade_slope,humidity"],
            "no column 'humidity'",
        ),
        (["life", "{table}", "--features", "cycle_life"], "no column 'cycle_life'"),
        (
            ["life", "{table}"],
            "line 2: column 'batch' must hold numbers; got 'A'.*--features",
        ),
        (
            ["life", "{table}", "--target", "lifetime", "--group", "batch"],
            "life of line 2, .* is missing.*--target",
        ),
        (["life", "{empty}"], "is empty"),
        (["life", "{ragged}"], "not a table in CSV format"),
        (["life", "{gap}"], "'slope' is missing or infinite.*line 3"),
        (["life", "{few}"], "2 cells and 3 features"),
        (["life", "{spectrum}"], "expected cells .* got Spectrum records"),
    ],
)
def test_errors_are_one_line(arguments, message, table, tmp_path, capsys):
    """Assert that bad input gives status 2 and one line with what to do."""
    files = {
        "table": table,
        "empty": tmp_path / "empty.csv",
        "gap": tmp_path / "gap.csv",
        "few": tmp_path / "few.csv",
        "ragged": tmp_path / "ragged.csv",
        "spectrum": tmp_path / "spectrum.txt",
    }
    files["empty"].write_text("")
    files["gap"].write_text("slope,cycle_life\n0.1,500\n,600\n0.3,700\n")
    files["few"].write_text("a,b,c,cycle_life\n1,2,3,500\n2,3,5,700\n")
    files["ragged"].write_text("slope,cycle_life\n0.1,500\n0.2,600,1,2,3\n")
    files["spectrum"].write_text("freq_hz,re_ohm,im_ohm\n10,0.1,-0.01\n1,0.2,-0.02\n")
    arguments = [part.format(**files) for part in arguments]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_life_reads_cells_of_a_registered_format(tmp_path, monkeypatch):
    """Assert that a user's reader is used, also for names that end in .csv."""
    monkeypatch.setattr(readers, "_REGISTERED", {})
    cells = population(2, seed=0).cells
    register_reader(".cells.csv")(lambda path: cells)
    path = tmp_path / "a.cells.csv"
    path.touch()
    (source,) = life.read(path)
    assert source.life.tolist() == [cell.cycle_life for cell in cells]


def test_forecast_of_a_table(tmp_path, capsys):
    """Assert that a cell above the threshold is forecast by its median and interval."""
    path = tmp_path / "capacity.csv"
    lines = ["cell,cycle,capacity_Ah"]
    for number, cell in enumerate(population(5, seed=0).cells):
        num_known = len(cell.cycle) // (3 if number == 0 else 1)
        readings = zip(cell.cycle, cell.capacity_ah, strict=True)
        lines += [f"c{number},{c},{q}" for c, q in list(readings)[:num_known]]
    path.write_text("\n".join(lines) + "\n")
    assert cli.main(["forecast", str(path), "--threshold", "0.9"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^cell +last cycle +5 % +median +95 %$", printed, re.M)
    low, median, high = re.search(
        r"^c0 +\d+ +(\d+) +(\d+) +>?(\d+)$", printed, re.M
    ).groups()
    assert int(low) < int(median) < int(high)
    assert len(re.findall(r"^c\d+ +\d+ +reached$", printed, re.M)) == 4


def test_quantiles_beyond_the_horizon_are_lower_bounds():
    """Assert that a quantile of paths that never cross is printed as a bound."""
    life_pred = Predictive.gaussian(1000.0, 0.0, 100.0**2)
    assert quantile_texts(life_pred, 0.0) == ["836", "1000", "1164"]
    assert quantile_texts(life_pred, 0.2) == ["836", "1000", ">1164"]
    assert quantile_texts(life_pred, 0.6) == ["836", ">1000", ">1164"]


def test_features_of_cells_feed_life(tmp_path, capsys):
    """Assert that `life` reads the table that `features` writes."""
    pack = write_pack(tmp_path / "pack.npz", np.full(16, "train"))
    table = tmp_path / "features.csv"
    assert cli.main(["features", str(pack), "-o", str(table)]) == 0
    assert "16 rows" in capsys.readouterr().out
    (source,) = life.read(table)  # without --group: the column "group" is found
    assert source.table.groups == tuple(BATCHES)
    command = ["life", str(table), "--group", "group", "--features", COLUMNS]
    assert cli.main(command) == 0
    assert "cross-validated" in capsys.readouterr().out
