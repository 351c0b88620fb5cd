"""Make a module from its fields, past a constructor that takes friendlier arguments."""

import dataclasses
from typing import Any, TypeVar

import equinox as eqx

ModuleType = TypeVar("ModuleType", bound=eqx.Module)


def from_fields(kind: type[ModuleType], fields: dict[str, Any]) -> ModuleType:
    """An instance of `kind` with exactly these fields; `__init__` is not called."""
    names = {field.name for field in dataclasses.fields(kind)}
    if names != set(fields):
        raise TypeError(
            f"{kind.__name__} has fields {sorted(names)}; got {list(fields)}"
        )
    module = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def replace(module: ModuleType, **changes: Any) -> ModuleType:
    """The same module with some fields, static ones too, exchanged."""
    fields = {f.name: getattr(module, f.name) for f in dataclasses.fields(module)}
    return from_fields(type(module), fields | changes)
