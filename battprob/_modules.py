"""Fields of modules: make a module from them, and refuse parts of the wrong kind."""

import dataclasses
import types
import typing
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


def require_parts(module: eqx.Module) -> None:
    """Refuse a part that is not of the kind that its field is annotated with.

    Python checks no annotations, and a number where a kernel belongs would be found out
    only deep inside of a fit. To be called by `__check_init__`. Fields for arrays,
    settings and containers are none of its business.

    Raises:
        TypeError: naming the field, what was expected, and what was given.
    """
    for field in dataclasses.fields(module):
        kinds, value = _kinds_of_part(field.type), getattr(module, field.name)
        if not kinds or isinstance(value, kinds):
            continue
        names = ["None" if kind is types.NoneType else kind.__name__ for kind in kinds]
        given = repr(value)
        if isinstance(value, type):
            given = f"the class itself: write {value.__name__}()"
        raise TypeError(
            f"{field.name} of {type(module).__name__} must be an instance of "
            f"{' or '.join(names)}; got {given}"
        )


def _kinds_of_part(annotation) -> tuple[type, ...]:
    """The classes that a field takes if these are modules; nothing of other fields."""
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if is_union else (annotation,)
    modules = [kind for kind in kinds if kind is not types.NoneType]
    whole = all(isinstance(k, type) and issubclass(k, eqx.Module) for k in modules)
    return kinds if whole else ()
