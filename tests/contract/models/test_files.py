"""A loaded posterior equals the saved one bit by bit; other files are refused."""

import json
import subprocess
import sys
from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob
from battprob import DataError, Dataset, transforms
from battprob.kernels import RBF
from battprob.models import BayesianLinear, GaussianProcess
from tests.contract.models import zoo
from tests.fixed import Fixed

X, Y = zoo.numbers()


def _bits(leaf):
    """An array that NumPy can compare; PRNG keys have a dtype of JAX alone."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _equal(one, other):
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        a.dtype == b.dtype and np.array_equal(_bits(a), _bits(b))
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


@pytest.mark.parametrize("name", zoo.MODELS)
def test_round_trip(name, tmp_path):
    posterior = zoo.fitted(name)
    posterior.save(tmp_path / "posterior.battprob")
    loaded = battprob.load(tmp_path / "posterior.battprob")
    assert _equal(loaded, posterior)
    assert asdict(loaded.report) == asdict(posterior.report)
    assert _equal(loaded.predict(X), posterior.predict(X))
    data = zoo.measured(zoo.MODELS[name], seed=1)
    assert _equal(
        loaded.condition(data).predict(X), posterior.condition(data).predict(X)
    )
    np.testing.assert_array_equal(zoo.draw(loaded, 0), zoo.draws(name))


def test_names_groups_and_transform_are_saved(tmp_path, key):
    data = Dataset(
        X,
        Y,
        groups=["a", "b"] * (zoo.NUM // 2),
        feature_names=zoo.NAMES,
        feature_units=["1/h", "K"],
        target_name="life",
        target_unit="cycles",
        transform=transforms.Log(),
    )
    model = BayesianLinear(inference=Fixed(), random_effects=True)
    model.fit(data, key=key).save(tmp_path / "file")
    assert _equal(battprob.load(tmp_path / "file").dataset, data)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def spec_and_rewrite(tmp_path):
    """The spec of a saved posterior, and a function that replaces it in the file."""
    path = tmp_path / "posterior"
    zoo.fitted("linear").save(path)
    with np.load(path) as file:
        arrays = dict(file)
    spec = json.loads(str(arrays.pop("spec")))

    def rewrite(spec):
        with path.open("wb") as file:
            np.savez(file, spec=np.array(json.dumps(spec)), **arrays)
        return path

    return spec, rewrite


@pytest.mark.parametrize(
    ("version", "reader"),
    [(1, "battprob 0.1"), (99, "the version of battprob that wrote it")],
)
def test_other_versions_are_refused(version, reader, spec_and_rewrite):
    spec, rewrite = spec_and_rewrite
    path = rewrite(spec | {"version": version})
    with pytest.raises(DataError, match=f"version {version}; .* open it with {reader}"):
        battprob.load(path)


@pytest.mark.parametrize(
    ("name", "home", "message"),
    [
        ("Popen", "subprocess", r"import the module .*saved from 'subprocess'"),
        ("battprob.Popen", "subprocess", "a class that this version"),
        ("battprob.Popen", "data", "a class that this version"),
    ],
)
def test_an_unregistered_class_is_refused(name, home, message, spec_and_rewrite):
    spec, rewrite = spec_and_rewrite
    spec["tree"] |= {"class": name, "home": home}
    with pytest.raises(DataError, match=message):
        battprob.load(rewrite(spec))


def test_float64_is_never_truncated(tmp_path):
    """Assert that a process in float32 refuses a file that holds float64 arrays."""
    zoo.fitted("linear").save(tmp_path / "posterior")
    code = f"import battprob; battprob.load({str(tmp_path / 'posterior')!r})"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "call battprob.enable_x64() before battprob.load" in ran.stderr


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("cycle,capacity\n1,1.1\n"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 cut short"),
        lambda path: np.save(path, np.ones(3)),
        lambda path: np.savez(path, array_0=np.ones(3)),
    ],
    ids=["text", "empty", "torn", "npy", "npz"],
)
def test_foreign_files_are_refused(write, tmp_path):
    write(tmp_path / "foreign")
    (path,) = tmp_path.iterdir()  # NumPy appends an extension
    with pytest.raises(DataError, match=r"foreign.* was not written by battprob"):
        battprob.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        battprob.load(tmp_path / "absent")


class UnregisteredKernel(RBF):
    """A kernel that is not registered."""


def test_unregistered_parts_are_not_saved(tmp_path, key):
    data = Dataset(X, Y)
    unregistered = GaussianProcess(UnregisteredKernel(), inference=Fixed()).fit(
        data, key=key
    )
    with pytest.raises(
        DataError, match=r"UnregisteredKernel: decorate it with @battprob.register"
    ):
        unregistered.save(tmp_path / "file")
    data = Dataset(X, Y, transform=transforms.Monotone(jnp.exp, jnp.log))
    with_functions = BayesianLinear(inference=Fixed()).fit(data, key=key)
    with pytest.raises(DataError, match="has no saved form"):
        with_functions.save(tmp_path / "file")
    assert not list(tmp_path.iterdir())


LOAD = """
import sys
import numpy as np
import battprob as bp

bp.enable_x64()
x = np.load("x.npy")
for name in sys.argv[1:]:
    pred = bp.load(f"{name}.posterior").predict(x)
    np.save(f"{name}.npy", np.stack([pred.mean, pred.aleatoric, pred.epistemic]))
"""


def test_predictions_in_a_new_process_are_the_same(tmp_path):
    """Assert that no digit of a prediction changes in a process that only loads."""
    np.save(tmp_path / "x.npy", X)
    for name in zoo.MODELS:
        zoo.fitted(name).save(tmp_path / f"{name}.posterior")
    ran = subprocess.run(
        [sys.executable, "-c", LOAD, *zoo.MODELS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for name in zoo.MODELS:
        expected = np.stack(zoo.moments(zoo.fitted(name).predict(X)))
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), expected)
