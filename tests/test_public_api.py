"""The public names are those of the stored list, and each says what it is.

After a change that is meant: `python tests/test_public_api.py > tests/public_api.txt`,
so that the change is seen where it is reviewed.
"""

import importlib
import inspect
import pathlib

import pytest

import battprob

STORED = pathlib.Path(__file__).parent / "public_api.txt"


def _public_modules():
    """The package, and the modules among its public names."""
    named = [getattr(battprob, name) for name in sorted(battprob.__all__)]
    return [battprob, *filter(inspect.ismodule, named)]


def _names(module):
    """`__all__`, or what a module without one defines itself."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    )


def public_names():
    """Every public name in full, in order."""
    return [f"{m.__name__}.{name}" for m in _public_modules() for name in _names(m)]


PUBLIC = public_names()


def test_names_are_those_of_the_stored_list():
    stored = STORED.read_text().split()
    gone, new = sorted(set(stored) - set(PUBLIC)), sorted(set(PUBLIC) - set(stored))
    assert stored == PUBLIC, f"gone: {gone}; new: {new}; see this file's docstring"


def _objects():
    """Functions and classes under the name of the module that defines them."""
    for full in PUBLIC:
        module, name = full.rsplit(".", 1)
        value = getattr(importlib.import_module(module), name)
        if inspect.isroutine(value) or inspect.isclass(value):
            yield full, value


@pytest.mark.parametrize("full", PUBLIC)
def test_every_public_name_is_there(full):
    module, name = full.rsplit(".", 1)
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    "value", [pytest.param(value, id=full) for full, value in _objects()]
)
def test_every_public_function_and_class_says_what_it_is(value):
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    assert own, "no docstring"
    assert not own.startswith(f"{value.__name__}("), "the docstring is a signature"
    first = own.strip().split("\n\n")[0]
    assert first.rstrip().endswith((".", ":", ")", "$")), f"no sentence: {first!r}"


if __name__ == "__main__":
    print("\n".join(PUBLIC))  # noqa: T201
