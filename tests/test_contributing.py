"""The programs in CONTRIBUTING run as written, and use public names only."""

import pathlib
import re
import subprocess
import sys

import pytest

CONTRIBUTING = pathlib.Path(__file__).parent.parent / "CONTRIBUTING.md"
PROGRAMS = dict(
    re.findall(
        r"### (.*?)\n.*?```python\n(.*?)```", CONTRIBUTING.read_text(), re.DOTALL
    )
)


def test_there_is_a_program_for_every_kind_of_part():
    assert list(PROGRAMS) == [
        "A kernel",
        "A noise model",
        "A prior of weights",
        "An acquisition function",
        "A circuit element",
        "A reader",
    ]


@pytest.mark.parametrize("title", PROGRAMS)
def test_program_runs(title, tmp_path):
    """Assert that the program runs in a fresh process and prints its result."""
    (tmp_path / "program.py").write_text(PROGRAMS[title])
    ran = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


@pytest.mark.parametrize("title", PROGRAMS)
def test_program_needs_no_private_name(title):
    private = re.findall(r"(?:import |\.|from )(_[a-z]\w*)", PROGRAMS[title])
    assert not private
