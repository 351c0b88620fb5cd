"""Save and load modules: their arrays and, as readable JSON, everything else.

One `.npz` file holds the arrays as `array_0`, `array_1`, … and the entry `spec`, a JSON
text with the tree they belong to: classes by name, settings, report, and the version of
this format. Of a specification `as_json` writes the few numbers of its arrays out, too.
Nothing in a file is executed: only classes of this package are made.
"""

import dataclasses
import importlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._files.atomic import replace_file

_VERSION = 1


def save(module: Any, path: str | os.PathLike) -> None:
    """Write a posterior (or any battprob object) to `path`; `load` reads it back.

    Raises:
        DataError: something in it has no readable form, for example a lambda inside of
            `transforms.Monotone`, or is of a class that is not battprob's.
    """
    arrays: list[np.ndarray] = []

    def keep(array):
        arrays.append(array)
        return len(arrays) - 1

    spec = {"format": "battprob", "version": _VERSION, "tree": _encode(module, keep)}
    entries: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
    entries["spec"] = np.array(json.dumps(spec, indent=1))
    replace_file(path, lambda file: np.savez_compressed(file, **entries))


def load(path: str | os.PathLike) -> Any:
    """Read what `save` wrote.

    Raises:
        DataError: the file is not one of these, or of a version this one cannot read.
    """
    with Path(path).open("rb") as stream:
        file = _archive(stream)
        if "spec" not in file:
            raise DataError(f"{path} was not written by battprob: it has no spec")
        spec = json.loads(str(file["spec"]))
        if spec.get("version") != _VERSION:
            raise DataError(
                f"{path} has format version {spec.get('version')}; this battprob reads "
                f"version {_VERSION}: use the battprob that wrote it, or a newer one"
            )
        return _decode(spec["tree"], lambda place: file[f"array_{place}"])


def as_json(module: Any) -> Any:
    """A specification as what JSON can hold, every number of it to the last bit.

    Raises:
        DataError: as `save`.
    """
    return _encode(
        module, lambda array: {"dtype": str(array.dtype), "values": array.tolist()}
    )


def from_json(tree: Any) -> Any:
    """What `as_json` made a tree of."""
    return _decode(tree, lambda kept: np.array(kept["values"], kept["dtype"]))


def _archive(stream):
    """The arrays in a file, nothing where it is no archive of arrays."""
    try:
        file = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        return {}
    return {} if isinstance(file, np.ndarray) else file


def _encode(value, keep):
    if isinstance(value, jax.Array | np.ndarray):
        return {"array": keep(np.asarray(value))}
    names = _field_names(value)
    if names is not None:
        return _named(value, {n: _encode(getattr(value, n), keep) for n in names})
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, keep) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise DataError(f"cannot save {value!r}: it has no readable form")


def _field_names(value):
    """Names of the fields of a dataclass (a module is one) or a named tuple."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    return getattr(value, "_fields", None)


def _named(value, fields):
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    _require_own(name)
    return {"class": name, "fields": fields}


def _require_own(name):
    if not name.startswith("battprob."):
        raise DataError(
            f"{name} is not of battprob: only its own classes are read back"
        )


def _decode(tree, fetch):
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return jnp.asarray(fetch(tree["array"]))
    if "tuple" in tree:
        return tuple(_decode(item, fetch) for item in tree["tuple"])
    _require_own(tree["class"])
    module, _, name = tree["class"].partition(":")
    kind = getattr(importlib.import_module(module), name)
    fields = {n: _decode(item, fetch) for n, item in tree["fields"].items()}
    if hasattr(kind, "_fields"):
        return kind(**fields)
    made = object.__new__(kind)
    for key, item in fields.items():
        object.__setattr__(made, key, item)
    return made
