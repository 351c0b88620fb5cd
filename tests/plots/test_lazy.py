"""Only `battprob.plots` imports matplotlib, and its error names the extra to install."""

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


def test_only_plots_needs_matplotlib():
    command = [sys.executable, "-c", _WITHOUT]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'pip install "battprob[plots]"' in result.stdout
