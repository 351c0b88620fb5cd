"""The public names are those of the stored list, and each has a docstring.

After an intended change: `python tests/test_public_api.py > tests/public_api.txt`, so
that reviewers see the change.
"""

import importlib
import inspect
import pathlib

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


def test_every_public_name_is_there():
    offenders = []
    for full in PUBLIC:
        module, name = full.rsplit(".", 1)
        if not hasattr(importlib.import_module(module), name):
            offenders.append(full)
    assert not offenders, "\n".join(offenders)


def test_every_public_function_and_class_has_a_docstring():
    """Assert that each docstring begins with a sentence, not with a signature."""
    offenders = []
    for full, value in _objects():
        own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        first = (own or "").strip().split("\n\n")[0].rstrip()
        is_sentence = first.endswith((".", ":", ")", "$"))
        if not is_sentence or first.startswith(f"{value.__name__}("):
            offenders.append(f"{full}: {first!r}")
    assert not offenders, "\n".join(offenders)


if __name__ == "__main__":
    print("\n".join(PUBLIC))  # noqa: T201
