"""`battprob design`: from the description of a space to a recommendation."""

import csv
import re

import pytest

from battprob import cli
from battprob.design import Campaign

SPACE = """
target = "life"
unit = "cycles"
seed = 1
initial = 4
[real.rate]
low = 1
high = 8
unit = "1/h"
[categorical.salt]
levels = ["x", "y"]
"""


@pytest.fixture(autouse=True)
def _keep_jax_settings(monkeypatch):
    monkeypatch.setattr(cli, "_set_up_jax", lambda: None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.toml").write_text(SPACE)
    return tmp_path


def run(text):
    return cli.main(["design", *text.split()])


def filled_in(path, **changes):
    """Enter results into the table; `changes` replace columns of its first row."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["life (cycles)"] = 1000 - 30 * (float(row["rate"]) - 4) ** 2
    rows[0] |= changes
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_from_a_space_to_a_recommendation(folder, capsys):
    """Assert that each command continues from the file of the one before."""
    assert run("init space.toml") == 0
    printed = capsys.readouterr().out
    assert "maximise life (cycles) over rate, salt" in printed
    assert "Next: battprob design ask N -o tests.csv" in printed
    for num in (5, 1):
        assert run(f"ask {num} -o tests.csv") == 0
        filled_in(folder / "tests.csv")
        assert run("tell tests.csv") == 0
    printed = capsys.readouterr().out
    assert "Initial tests, which cover the space evenly (0 of 4 results" in printed
    assert "mean life (cycles)" in printed
    assert "Next: battprob design tell tests.csv" in printed
    assert "1 new result.\n6 results, 0 tests running" in printed
    assert run("status --epsilon 50 --report report") == 0
    printed = capsys.readouterr().out
    assert "6 results, 0 tests running, 0 failed." in printed
    assert re.search(r"Best result: [\d.]+ cycles \(test \d\)", printed)
    assert "Recommended point" in printed
    assert "within 50 of the best one with probability" in printed
    assert (folder / "report" / "campaign.png").stat().st_size > 5000
    campaign = Campaign.load(folder / "campaign.json")
    assert campaign.results[-1].epistemic_sd > 0


def test_tests_that_were_not_suggested_and_failures(folder, capsys):
    """Assert that rows without an id are new tests, and failures are recorded."""
    run("init space.toml")
    run("ask 2 -o tests.csv")
    (folder / "more.csv").write_text(
        "id,rate,salt,life (cycles),failed\n1,,,,leak\n,2.5,x,600,\n"
    )
    assert run("tell more.csv") == 0
    assert "1 result, 1 test running, 1 failed." in capsys.readouterr().out
    campaign = Campaign.load("campaign.json")
    assert campaign.history.trials[1].failed == "leak"
    assert [trial.id for trial in campaign.open_tests] == [2]
    assert campaign.results[0].point == {"rate": 2.5, "salt": "x"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"life (cycles)": "nan"}, r"line 2: y of test 1 must be finite; got nan"),
        ({"life (cycles)": ""}, r"line 2: life \(cycles\) must be a number"),
        ({"rate": "7.999"}, r"line 2: test 1 was suggested at"),
        ({"id": "9"}, r"line 2: there is no test 9"),
        ({"id": "2"}, r"line 2: test 2 was suggested at"),
    ],
)
def test_invalid_tables_change_nothing(changes, message, folder, capsys):
    run("init space.toml")
    run("ask 2 -o tests.csv")
    before = (folder / "campaign.json").read_text()
    filled_in(folder / "tests.csv", **changes)
    assert run("tell tests.csv") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert (folder / "campaign.json").read_text() == before


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            SPACE.replace("[real.rate]", "[reel.rate]"),
            "unknown name 'reel'; expected one of",
        ),
        (SPACE.replace("low = 1", "least = 1"), "space.toml: .*low"),
        (SPACE + "[", "space.toml: "),
    ],
)
def test_invalid_descriptions_are_refused(space, message, folder, capsys):
    (folder / "space.toml").write_text(space)
    assert run("init space.toml") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_results_in_another_unit_are_refused(folder, capsys):
    run("init space.toml")
    run("ask 1")
    (folder / "hours.csv").write_text("id,life (h)\n1,600\n")
    assert run("tell hours.csv") == 2
    assert "life of this campaign is in cycles; got h" in capsys.readouterr().err


def test_a_table_without_results_is_refused(folder, capsys):
    run("init space.toml")
    run("ask 1")
    (folder / "empty.csv").write_text("id,rate\n1,2.0\n")
    assert run("tell empty.csv") == 2
    assert "needs the column 'life (cycles)'" in capsys.readouterr().err


def test_the_help_shows_a_description_that_works(folder, capsys):
    with pytest.raises(SystemExit):
        run("init --help")
    text = capsys.readouterr().out
    start, end = text.index("  target ="), text.index("If only certain points")
    (folder / "help.toml").write_text(text[start:end])
    assert run("init help.toml --campaign help.json") == 0
    assert len(Campaign.load(folder / "help.json").space.dimensions) == 4
