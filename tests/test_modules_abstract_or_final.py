"""Every module class is abstract or final, and nothing implemented is overridden.

Then a call reads off one class: what `kernel.gram` does is written in one place.
"""

import importlib
import inspect
import pkgutil

import equinox as eqx
import pytest

import battprob

for _found in pkgutil.walk_packages(battprob.__path__, "battprob."):
    if _found.name != "battprob.__main__":
        importlib.import_module(_found.name)


def _descendants(kind):
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def _ours(kind):
    return kind.__module__.startswith("battprob.")


def _is_abstract(kind):
    return inspect.isabstract(kind) or bool(getattr(kind, "__abstractvars__", ()))


CLASSES = sorted({c for c in _descendants(eqx.Module) if _ours(c)}, key=str)
# What Python and equinox put into every class.
GIVEN = {"__init__", "__module__", "__doc__", "__qualname__", "__annotations__"}


def _implemented(kind):
    """Functions and properties written in this class that are not abstract."""
    return {
        name
        for name, value in vars(kind).items()
        if (inspect.isfunction(value) or isinstance(value, property | classmethod))
        and not getattr(value, "__isabstractmethod__", False)
        and name not in GIVEN
        and not name.startswith("__")
    }


def test_there_are_classes_to_look_at():
    names = {kind.__name__ for kind in CLASSES}
    assert {"Predictive", "Dataset", "RBF", "Laplace", "AbstractKernel"} <= names


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_abstract_or_final(kind):
    children = [child for child in kind.__subclasses__() if _ours(child)]
    if kind.__name__.lstrip("_").startswith("Abstract"):
        assert _is_abstract(kind), "an Abstract class leaves something to define"
    else:
        assert not _is_abstract(kind), "a class that cannot be made is named Abstract…"
        assert not children, f"final: {children} may not derive from it"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_nothing_implemented_is_overridden(kind):
    for parent in kind.__mro__[1:]:
        if _ours(parent):
            again = _implemented(kind) & _implemented(parent)
            assert not again, f"{sorted(again)} already stand in {parent.__name__}"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_fields_stand_in_one_class(kind):
    """Of the classes a module is made of, one alone declares fields."""
    declaring = [
        parent.__name__
        for parent in kind.__mro__
        if _ours(parent)
        and any(
            not str(note).startswith(("equinox.AbstractVar", "AbstractVar"))
            and not hasattr(note, "__abstractvar__")
            and name not in getattr(parent, "__abstractvars__", ())
            for name, note in vars(parent).get("__annotations__", {}).items()
        )
    ]
    assert len(declaring) <= 1, f"fields in {declaring}"
