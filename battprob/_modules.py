"""Fields of equinox modules: construct from them, replace them, check their types."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

import equinox as eqx

ModuleType = TypeVar("ModuleType", bound=eqx.Module)


def from_fields(kind: type[ModuleType], fields: dict[str, Any]) -> ModuleType:
    """Instance of `kind` with exactly these fields, without calling `__init__`."""
    names = {field.name for field in dataclasses.fields(kind)}
    if names != set(fields):
        raise TypeError(
            f"{kind.__name__} has the fields {sorted(names)}; got {list(fields)}"
        )
    module = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def replace(module: ModuleType, **changes: Any) -> ModuleType:
    """Copy of a module with some fields changed, static fields included."""
    fields = {f.name: getattr(module, f.name) for f in dataclasses.fields(module)}
    return from_fields(type(module), fields | changes)


def require_parts(module: eqx.Module) -> None:
    """Check that every field annotated with a module class holds an instance of it.

    Call it in `__check_init__`. Python does not check annotations, and a number in place
    of a kernel would otherwise fail deep inside a fit. Fields for arrays, settings and
    containers are not checked.

    Raises:
        TypeError: the message names the field, the expected class and the value.
    """
    for field in dataclasses.fields(module):
        kinds, value = _module_classes(field.type), getattr(module, field.name)
        if not kinds or isinstance(value, kinds):
            continue
        names = ["None" if kind is types.NoneType else kind.__name__ for kind in kinds]
        actual = repr(value)
        if isinstance(value, type):
            actual = f"the class itself: write {value.__name__}()"
        raise TypeError(
            f"{field.name} of {type(module).__name__} must be an instance of "
            f"{' or '.join(names)}; got {actual}"
        )


def _module_classes(annotation) -> tuple[type, ...]:
    """Classes that an annotation allows, if all are modules (or None); otherwise ()."""
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if is_union else (annotation,)
    modules = [kind for kind in kinds if kind is not types.NoneType]
    all_modules = all(
        isinstance(kind, type) and issubclass(kind, eqx.Module) for kind in modules
    )
    return kinds if all_modules else ()
