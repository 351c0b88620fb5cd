"""`import battprob` is light, changes no setting and starts no device."""

import os
import subprocess
import sys

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


def _run(code, **environment):
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_libraries_load_when_first_used():
    loaded = _run("import sys, battprob; print(*sys.modules)")
    assert not {"jax", "equinox", "numpy", *LATER} & set(loaded)
    loaded = _run("import sys, battprob; battprob.Dataset; print(*sys.modules)")
    assert {"jax", "equinox"} <= set(loaded)
    assert not set(LATER) & set(loaded)
    assert not [m for m in loaded if m.startswith(("battprob.models", "battprob.eis"))]


def test_x64_is_the_callers_switch():
    code = (
        "import jax, battprob; print(jax.config.jax_enable_x64);"
        "battprob.enable_x64();"
        "print(battprob.Predictive.gaussian(0.0, 1.0).mean.dtype)"
    )
    assert _run(code) == ["False", "float64"]


IMPORT_ALL = """
import importlib, pkgutil, battprob
names = [m.name for m in pkgutil.walk_packages(battprob.__path__, "battprob.")]
for name in names:
    if name != "battprob.__main__":
        importlib.import_module(name)
print(*names)
import jax
try:
    jax.numpy.zeros(1)
except RuntimeError as error:
    assert "nowhere" in str(error)
else:
    raise AssertionError("computed on a platform that does not exist")
"""


def test_no_module_computes_when_imported():
    """On a platform that does not exist the first computation would fail."""
    names = _run(IMPORT_ALL, JAX_PLATFORMS="nowhere")
    assert "battprob.inference.laplace" in names


def test_submodules_come_by_name_and_wrong_names_are_said():
    code = (
        "import battprob, sys; assert 'battprob.kernels' not in sys.modules;"
        "print(battprob.kernels.RBF.__name__, *dir(battprob))"
    )
    first, *names = _run(code)
    assert first == "RBF"
    assert {"Dataset", "kernels", "enable_x64"} <= set(names)
    code = "import battprob\ntry: battprob.kernel\nexcept AttributeError as e: print(e)"
    assert " ".join(_run(code)) == "module 'battprob' has no attribute 'kernel'"
