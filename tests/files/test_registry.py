"""Saved files refer to classes by registered names, and find them again."""

import dataclasses
import importlib
import pkgutil
import subprocess
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import battprob
from battprob import DataError
from battprob._files.registry import find, name_of, register
from battprob._files.serialise import as_json, from_json, load, save


def _savable_classes():
    """Modules, dataclasses and named tuples that battprob defines, private ones apart."""
    for found in pkgutil.walk_packages(battprob.__path__, "battprob."):
        if found.name.endswith("__main__") or found.name.startswith("battprob.cli"):
            continue
        module = importlib.import_module(found.name)
        for name, kind in vars(module).items():
            if (
                isinstance(kind, type)
                and kind.__module__ == found.name
                and not name.startswith("_")
                and (dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"))
            ):
                yield kind


def test_every_class_is_found_under_its_name():
    """Assert that no two classes of battprob share a name inside one part."""
    offenders = []
    for kind in _savable_classes():
        try:
            same = find(name_of(kind)) is kind
        except DataError:
            same = False
        if not same:
            offenders.append(str(kind))
    assert not offenders, "\n".join(offenders)


def test_a_class_that_moves_to_another_part_is_found():
    name = name_of(battprob.kernels.RBF)
    assert name == ("battprob.RBF", "kernels")
    assert find(name._replace(home="elsewhere")) is battprob.kernels.RBF


class Unregistered(eqx.Module):
    number: float = 1.0


def test_an_unregistered_class_is_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"Unregistered: decorate it with @battprob"):
        as_json(Unregistered())


@register
class Registered(eqx.Module):
    values: object


@register
def double(x):
    return 2 * x


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2.5, "text", (True,)],
        {"a": {"b": [1]}},
        np.array(["x", "yy"]),
        np.arange(3.0),
        jnp.arange(3),
        double,
        float("inf"),
    ],
    ids=["none", "list", "dict", "texts", "numpy", "jax", "function", "infinity"],
)
def test_values_come_back_with_their_type(value, tmp_path):
    save(Registered(value), tmp_path / "file")
    loaded = load(tmp_path / "file").values
    assert type(loaded) is type(value)
    assert np.all(loaded == value)


def test_keys_come_back(tmp_path, key):
    save(Registered(key), tmp_path / "file")
    assert load(tmp_path / "file").values == key


def test_two_classes_cannot_share_a_registered_name():
    other = type("Registered", (), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match=r"'Registered' is already registered by .*"):
        register(other)


def test_an_instance_cannot_be_registered():
    """In a process without the type checker of these tests."""
    code = "from battprob import register; register(3)"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TypeError: register takes a class or a function; got 3" in ran.stderr


def test_specifications_keep_every_digit():
    tree = as_json(Registered(jnp.asarray([0.1, 1 / 3])))
    assert from_json(tree).values.tolist() == [0.1, 1 / 3]


OWN = """
import equinox as eqx
import battprob
@battprob.register
class OfOwnModule(eqx.Module):
    number: float
"""
LOAD = """
import battprob
try:
    battprob.load("f")
except battprob.DataError as error:
    print(error)
import own
print(battprob.load("f").number)
"""


def test_a_new_process_says_which_module_to_import(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    save(importlib.import_module("own").OfOwnModule(2.5), tmp_path / "f")
    ran = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *message, number = ran.stdout.splitlines()
    assert "import the module that defines it (it was saved from 'own')" in (
        " ".join(message)
    )
    assert number == "2.5"
