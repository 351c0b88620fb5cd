"""Type checkers see the types of battprob (`py.typed`): right scripts pass, wrong fail."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("pyright")

RIGHT = """
from typing import assert_type

import battprob as bp
import jax
import numpy as np
from battprob import Dataset, Predictive
from battprob.kernels import RBF
from battprob.models import GaussianProcess

bp.enable_x64()
x, y = np.linspace(0.0, 1.0, 20)[:, None], np.linspace(900.0, 300.0, 20)
log = bp.transforms.Log()
data = Dataset(x, y, groups=["a"] * 20, feature_names=["rate"], transform=log)
kernel = RBF(features=["rate"]) + bp.kernels.Linear()
model = GaussianProcess(kernel=kernel, noise=bp.noise.Constant())
posterior = model.fit(data.without("groups"), key=jax.random.key(0))
pred = posterior.predict(np.array([[0.3], [0.7]]))
assert_type(pred, Predictive)
assert_type(pred.mean, jax.Array)
low, high = pred.interval(0.9)
print(pred.aleatoric + pred.epistemic, low, high, pred.take([0]).std)
posterior.save("model.npz")
print(bp.load("model.npz").predict(data.x).mean)

cells = bp.data.population(12, seed=0).cells
fade = bp.trajectories.FadeTrajectory(num_draws=8).fit(cells, key=jax.random.key(1))
assert_type(fade.forecast(cells[0], after_cycle=60).life(0.88), Predictive)
"""

WRONG = """
import battprob as bp
import jax
from battprob.models import GaussianProcess

data = bp.Dataset([[1.0]], [2.0], group=["a"])  # error
data.num_row  # error
posterior = GaussianProcess(kernel=3.0).fit(data, key=jax.random.key(0))  # error
posterior.predict([[1.0]]).epistemics  # error
bp.kernels.RBF(feature=["rate"])  # error
bp.trajectories.FadeTrajectories()  # error
"""


def test_scripts_of_users(tmp_path):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--outputjson"),
            *("--pythonpath", sys.executable, "right.py", "wrong.py"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(ran.stdout)
    assert report["summary"]["filesAnalyzed"] == 2, ran.stderr
    errors = [d for d in report["generalDiagnostics"] if d["severity"] == "error"]
    in_right = [d["message"] for d in errors if d["file"].endswith("right.py")]
    assert not in_right, "\n".join(in_right)
    found = {d["range"]["start"]["line"] for d in errors}
    lines = WRONG.splitlines()
    assert found == {i for i, line in enumerate(lines) if line.endswith("# error")}
