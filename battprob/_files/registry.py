"""Names by which saved files refer to classes and functions.

A class of battprob is saved under its own name and the part of the package that it
belongs to (`kernels`, `models`, ...), never under the file that defines it: code may move
inside a part, or to another part, and every file stays readable. Classes and functions of
users are saved under the name given by `register`.
"""

import importlib
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from battprob._errors import DataError

Item = TypeVar("Item", bound=type | Callable)

_registered: dict[str, Any] = {}


class Name(NamedTuple):
    """How a saved file refers to a class or function: by name, with a hint where it is.

    Args:
        name: name of a registered item, or "battprob." and the name of a class.
        home: part of battprob, or the user's module; only a hint for readers.
    """

    name: str
    home: str


def register(item: Item) -> Item:
    """Make a class or function of your own known to `save` and `battprob.load`.

    Use it as a decorator on kernels, noise models, priors, circuit elements, acquisition
    functions and transforms that you write. Saved files then hold the name of the class.
    The process that loads such a file must first import the module that defines it.

    Args:
        item: class or function defined at the top of a module.

    Returns:
        The same item.

    Raises:
        TypeError: it is neither a class nor a function (a circuit element, say: register
            the function, below `@element`).
        ValueError: another class or function is registered under this name.

    Example:
        >>> from battprob.kernels.base import AbstractKernel
        >>> @register
        ... class Own(AbstractKernel):
        ...     ...
    """
    _require_named(item)
    name = item.__name__
    known = _registered.get(name)
    if known is not None and _origin(known) != _origin(item):
        raise ValueError(
            f"{name!r} is already registered by {_origin(known)}: rename one of the two"
        )
    # A notebook cell that is run again defines the class again: the last one counts.
    _registered[name] = item
    return item


def _require_named(item: Any) -> None:
    if not isinstance(item, type | types.FunctionType):
        raise TypeError(
            f"register takes a class or a function; got {item!r}. For a circuit element, "
            "put @battprob.register between @element(...) and the function"
        )


def name_of(item: Any) -> Name:
    """The name under which a class or function is saved.

    Raises:
        DataError: it is neither of battprob nor registered.
    """
    name, module = item.__name__, item.__module__
    if _registered.get(name) is item:
        return Name(name, module)
    head, _, rest = module.partition(".")
    if head == "battprob" and isinstance(item, type):
        own = Name(f"battprob.{name}", rest.partition(".")[0])
        if find(own) is item:
            return own
        raise DataError(f"battprob has two classes of the name {name}: rename one")
    raise DataError(
        f"cannot save {module}.{name}: decorate it with @battprob.register, so that "
        "battprob.load can find it by name"
    )


def find(name: Name) -> Any:
    """The class or function of a saved name.

    Raises:
        DataError: this process does not know it; the message says what to import.
    """
    if name.name.startswith("battprob."):
        return _own_class(name)
    if name.name not in _registered:
        raise DataError(
            f"the file holds {name.name!r}, which is not part of battprob: import the "
            f"module that defines it (it was saved from {name.home!r}), where "
            "@battprob.register stands before it, and load again"
        )
    return _registered[name.name]


def _own_class(name):
    """A class of battprob: first in the part that is named, then in all of them."""
    bare = name.name.removeprefix("battprob.")
    named = [name.home] if name.home.isidentifier() else []
    # Listing all parts reads the disk: only for a class that is not found before.
    for parts in (list, lambda: named, _all_parts):
        for part in parts():
            _import(part)
        found = _loaded_classes(bare)
        at_home = [kind for kind in found if _part(kind.__module__) == name.home]
        if len(at_home or found) == 1:
            return (at_home or found)[0]
    raise DataError(
        f"the file holds {name.name}, a class that this version of battprob does not "
        "have: load it with the version that wrote it"
    )


def _loaded_classes(bare):
    return [
        kind
        for module, loaded in list(sys.modules.items())
        if module.startswith("battprob.")
        and isinstance(kind := vars(loaded).get(bare), type)
        and kind.__module__ == module
    ]


def _import(part):
    if importlib.util.find_spec(f"battprob.{part}"):
        importlib.import_module(f"battprob.{part}")


def _all_parts():
    import battprob

    found = pkgutil.iter_modules(battprob.__path__)
    return [module.name for module in found if module.name != "cli"]


def _part(module):
    return module.removeprefix("battprob.").partition(".")[0]


def _origin(item):
    return f"{item.__module__}.{item.__qualname__}"
