"""Every module class is abstract or final, and nothing implemented is overridden.

Then what a method such as `kernel.gram` does is written in one place.
"""

import importlib
import inspect
import pkgutil

import equinox as eqx

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


def test_every_class_is_abstract_or_final():
    offenders = []
    for kind in CLASSES:
        children = [child.__name__ for child in kind.__subclasses__() if _ours(child)]
        if kind.__name__.lstrip("_").startswith("Abstract"):
            if not _is_abstract(kind):
                offenders.append(f"{kind.__name__} leaves nothing to define")
        elif _is_abstract(kind):
            offenders.append(f"{kind.__name__} is abstract: name it Abstract...")
        elif children:
            offenders.append(f"{kind.__name__} is final, but {children} derive from it")
    assert not offenders, "\n".join(offenders)


def test_nothing_implemented_is_overridden():
    offenders = []
    for kind in CLASSES:
        for parent in filter(_ours, kind.__mro__[1:]):
            again = _implemented(kind) & _implemented(parent)
            if again:
                both = f"{kind.__name__} and {parent.__name__}"
                offenders.append(f"{sorted(again)} in {both}")
    assert not offenders, "\n".join(offenders)


def test_fields_are_declared_in_one_class():
    """Assert that of a class and its parents, only one declares fields."""
    offenders = []
    for kind in CLASSES:
        declaring = [p.__name__ for p in filter(_ours, kind.__mro__) if _declares(p)]
        if len(declaring) > 1:
            offenders.append(f"{kind.__name__}: fields in {declaring}")
    assert not offenders, "\n".join(offenders)


def _declares(kind):
    """Whether the class has fields that are not abstract."""
    return any(
        not str(note).startswith(("equinox.AbstractVar", "AbstractVar"))
        and not hasattr(note, "__abstractvar__")
        and name not in getattr(kind, "__abstractvars__", ())
        for name, note in vars(kind).get("__annotations__", {}).items()
    )
