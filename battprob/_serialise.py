"""Save and load modules: their arrays and, as readable JSON, everything else.

One `.npz` file holds the arrays as `array_0`, `array_1`, … and the entry `spec`, a JSON
text with the tree they belong to: classes by name, settings, report, and the version of
this format. Nothing in a file is executed: only classes of this package are made.
"""

import dataclasses
import importlib
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError

_VERSION = 1


def save(module: Any, path: str | os.PathLike) -> None:
    """Write a posterior (or any battprob object) to `path`; `load` reads it back.

    Raises:
        DataError: something in it has no readable form, for example a lambda inside of
            `transforms.Monotone`.
    """
    arrays: list[np.ndarray] = []
    spec = {"format": "battprob", "version": _VERSION, "tree": _encode(module, arrays)}
    named = {f"array_{i}": array for i, array in enumerate(arrays)}
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, spec=np.array(json.dumps(spec, indent=1)), **named)
    unfinished.replace(path)


def load(path: str | os.PathLike) -> Any:
    """Read what `save` wrote.

    Raises:
        DataError: the file is not one of these, or of a version this one cannot read.
    """
    with np.load(path, allow_pickle=False) as file:
        if "spec" not in file:
            raise DataError(f"{path} was not written by battprob: it has no spec")
        spec = json.loads(str(file["spec"]))
        if spec.get("version") != _VERSION:
            raise DataError(
                f"{path} has format version {spec.get('version')}; this battprob reads "
                f"version {_VERSION}: use the battprob that wrote it, or a newer one"
            )
        return _decode(spec["tree"], file)


def _encode(value, arrays):
    if isinstance(value, jax.Array | np.ndarray):
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return _named(value, {n: _encode(getattr(value, n), arrays) for n in names})
    if hasattr(value, "_fields"):
        fields = {n: _encode(getattr(value, n), arrays) for n in value._fields}
        return _named(value, fields)
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, arrays) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise DataError(f"cannot save {value!r}: it has no readable form")


def _named(value, fields):
    kind = type(value)
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}


def _decode(tree, file):
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return jnp.asarray(file[f"array_{tree['array']}"])
    if "tuple" in tree:
        return tuple(_decode(item, file) for item in tree["tuple"])
    module, _, name = tree["class"].partition(":")
    if module.partition(".")[0] != "battprob":
        raise DataError(f"the file asks for {tree['class']}, which is not of battprob")
    kind = getattr(importlib.import_module(module), name)
    fields = {n: _decode(item, file) for n, item in tree["fields"].items()}
    if hasattr(kind, "_fields"):
        return kind(**fields)
    made = object.__new__(kind)
    for key, item in fields.items():
        object.__setattr__(made, key, item)
    return made
