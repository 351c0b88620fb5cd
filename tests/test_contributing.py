"""The programs in CONTRIBUTING run as written, and use public names only."""

import json
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


# One process for all programs: most of their time goes into imports and compilation.
RUN_ALL = """
import contextlib, io, json, os, pathlib, sys, traceback

printed = {}
for number, program in enumerate(json.load(sys.stdin)):
    pathlib.Path(str(number)).mkdir()
    os.chdir(str(number))
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(program, f"program {number}", "exec"), {"__name__": "program"})
        printed[number] = [output.getvalue(), ""]
    except Exception:
        printed[number] = ["", traceback.format_exc()]
    os.chdir("..")
print(json.dumps(list(printed.values())))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Output and error of each program, run in a process without the strict settings."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps(list(PROGRAMS.values())),
        cwd=tmp_path_factory.mktemp("programs"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(zip(PROGRAMS, json.loads(ran.stdout), strict=True))


@pytest.mark.parametrize("title", PROGRAMS)
def test_program_runs(title, results):
    output, error = results[title]
    assert not error, error
    assert output


@pytest.mark.parametrize("title", PROGRAMS)
def test_program_needs_no_private_name(title):
    private = re.findall(r"(?:import |\.|from )(_[a-z]\w*)", PROGRAMS[title])
    assert not private
