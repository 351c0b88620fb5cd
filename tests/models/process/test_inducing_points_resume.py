"""An interrupted fit continues from its checkpoint to the same result."""

import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from battprob import Dataset
from battprob._errors import DataError
from battprob.models import GaussianProcess, InducingPoints
from battprob.models.process import _stochastic_gradient

X = np.linspace(0, 1, 40)
DATA = Dataset(X, np.sin(6 * X), feature_names=["state_of_charge"])


def _fit(path, data=DATA):
    solver = InducingPoints(8, batch_size=16, num_steps=200, checkpoint=path)
    return GaussianProcess(solver=solver).fit(data, key=jax.random.key(0))


def _leaves(posterior):
    return jax.tree.leaves((posterior.solution.hyper, posterior.solution.posterior))


def test_killed_between_steps(tmp_path, monkeypatch):
    complete = _fit(tmp_path / "complete")
    write = _stochastic_gradient.Checkpoint.write

    def killed(self, state, bounds):
        write(self, state, bounds)
        if len(bounds) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(_stochastic_gradient.Checkpoint, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path / "killed")
    monkeypatch.setattr(_stochastic_gradient.Checkpoint, "write", write)
    resumed = _fit(tmp_path / "killed")
    for a, b in zip(_leaves(complete), _leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.report.message == complete.report.message


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    _fit(tmp_path / "file")
    with pytest.raises(DataError, match="other data, settings or key"):
        _fit(tmp_path / "file", DATA.take(slice(30)))
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(DataError, match="is no checkpoint"):
        _fit(tmp_path / "text")


SCRIPT = """
import sys, jax, numpy as np, battprob as bp
bp.enable_x64()
x = np.linspace(0, 1, 400)
data = bp.Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
solver = bp.models.InducingPoints(
    64, batch_size=64, num_steps=1000, checkpoint=sys.argv[1]
)
model = bp.models.GaussianProcess(solver=solver)
solution = model.fit(data, key=jax.random.key(0)).solution
fitted = (solution.hyper, solution.posterior)
leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(fitted)]
np.save(sys.argv[2], np.concatenate(leaves))
"""


@pytest.mark.slow
def test_twenty_random_kills(tmp_path):
    def start(name):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / name)]
        return subprocess.Popen([*command, str(tmp_path / f"{name}.npy")])

    assert start("complete").wait() == 0
    draw, kills = random.Random(0), 0
    file = tmp_path / "killed"

    def written():
        return file.stat().st_mtime_ns if file.exists() else None

    while kills < 20:
        before, process = written(), start("killed")
        while process.poll() is None and written() == before:
            time.sleep(0.005)  # until it has written a checkpoint of its own
        time.sleep(draw.uniform(0, 0.3))
        if process.poll() is not None:
            file.unlink()  # it finished: start from the beginning
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert start("killed").wait() == 0
    one, other = (np.load(tmp_path / f"{name}.npy") for name in ("complete", "killed"))
    np.testing.assert_array_equal(one, other)
