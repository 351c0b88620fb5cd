"""`import battprob` is light, changes no setting and starts no device."""

import json
import os
import subprocess
import sys

import pytest

LATER = [
    "numpyro",
    "sklearn",
    "matplotlib",
    "scipy.stats",
    "pandas",
    "h5py",
    "platformdirs",
    "optax",
]

# One process for all facts: importing the libraries takes most of its time. It begins on
# a platform that does not exist, where the first computation fails.
PROGRAM = """
import importlib, json, pkgutil, sys

import battprob
facts = {"at first": list(sys.modules)}
try:
    battprob.kernel
except AttributeError as error:
    facts["wrong name"] = str(error)
battprob.Dataset
facts["with Dataset"] = list(sys.modules)
facts["kernel"] = battprob.kernels.RBF.__name__
facts["names"] = dir(battprob)

modules = [m.name for m in pkgutil.walk_packages(battprob.__path__, "battprob.")]
for name in modules:
    if name != "battprob.__main__":
        importlib.import_module(name)
facts["modules"] = modules
import jax
try:
    jax.numpy.zeros(1)
except RuntimeError as error:
    facts["computing"] = str(error)

jax.config.update("jax_platforms", "cpu")
facts["x64"] = jax.config.jax_enable_x64
facts["before"] = str(battprob.Predictive.gaussian(0.0, 1.0).mean.dtype)
battprob.enable_x64()
facts["after"] = str(battprob.Predictive.gaussian(0.0, 1.0).mean.dtype)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts():
    """What a new process finds, by name."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | {"JAX_PLATFORMS": "nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_libraries_load_when_first_used(facts):
    assert not {"jax", "equinox", "numpy", *LATER} & set(facts["at first"])
    loaded = facts["with Dataset"]
    assert {"jax", "equinox"} <= set(loaded)
    assert not set(LATER) & set(loaded)
    later = ("battprob.models", "battprob.eis", "battprob.kernels")
    assert not [m for m in loaded if m.startswith(later)]


def test_x64_is_the_callers_switch(facts):
    assert facts["x64"] is False
    assert (facts["before"], facts["after"]) == ("float32", "float64")


def test_no_module_computes_when_imported(facts):
    """On a platform that does not exist the first computation fails: here it does."""
    assert "nowhere" in facts["computing"]
    assert "battprob.inference.laplace" in facts["modules"]


def test_submodules_come_by_name_and_wrong_names_are_said(facts):
    assert facts["kernel"] == "RBF"
    assert {"Dataset", "kernels", "enable_x64"} <= set(facts["names"])
    assert facts["wrong name"] == "module 'battprob' has no attribute 'kernel'"
