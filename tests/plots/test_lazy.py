"""matplotlib is loaded by `battprob.plots` alone, and its absence is explained."""

import subprocess
import sys

_WITHOUT = """
import sys
import battprob, battprob.evaluate
assert "matplotlib" not in sys.modules
assert "sklearn" not in sys.modules
sys.modules["matplotlib"] = None  # as if it were not installed
try:
    battprob.plots
except ModuleNotFoundError as error:
    print(error)
"""


def test_import_without_matplotlib_works_until_plots_are_asked_for():
    command = [sys.executable, "-c", _WITHOUT]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'pip install "battprob[plots]"' in answer.stdout
