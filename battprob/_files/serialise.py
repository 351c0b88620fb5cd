"""Save objects to one file and load them: arrays, and everything else as readable JSON.

One `.npz` file holds the arrays as `array_0`, `array_1`, ... and the entry `spec`, a JSON
text with the tree that they belong to: registered class names, settings, the report of
the fit, and the version of this format. Nothing in a file is executed: `load` makes only
instances of registered classes and calls none of their methods.
"""

import dataclasses
import json
import os
import types
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._files.atomic import replace_file
from battprob._files.registry import Name, find, name_of

_VERSION = 2
_READ_BY = {1: "battprob 0.1"}


def save(item: Any, path: str | os.PathLike) -> None:
    """Write a posterior (or any battprob object) to `path`; `load` reads it back.

    Args:
        item: object made of arrays, numbers, texts, tuples, lists, dictionaries with
            texts as keys, and classes of battprob or registered with `register`.
        path: file to write; an existing one is replaced at once or not at all.

    Raises:
        DataError: a part of it cannot be saved: a class that is not registered, or a
            function without a name such as a lambda in `transforms.Monotone`.
    """
    arrays: list[np.ndarray] = []

    def store(array):
        arrays.append(array)
        return len(arrays) - 1

    spec = {"format": "battprob", "version": _VERSION, "tree": _encode(item, store)}
    entries: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
    entries["spec"] = np.array(json.dumps(spec, indent=1))
    replace_file(path, lambda file: np.savez_compressed(file, **entries))


def load(path: str | os.PathLike) -> Any:
    """Read an object that `save` wrote; its predictions are the same to the last bit.

    Args:
        path: file written by a `save` method of battprob.

    Raises:
        DataError: the file is not one of these or has another format version; it holds a
            class that this process has not imported; or it holds float64 arrays and
            `battprob.enable_x64()` has not been called.
    """
    with Path(path).open("rb") as stream:
        file = _archive(stream)
        if "spec" not in file:
            raise DataError(
                f"{path} was not written by battprob: it has no entry 'spec'"
            )
        spec = json.loads(str(file["spec"]))
        require_version(spec.get("version"), _VERSION, _READ_BY, path)
        return _decode(spec["tree"], lambda index: file[f"array_{index}"])


def require_version(
    version: Any, readable: int, read_by: dict[int, str], path: str | os.PathLike
) -> None:
    """Refuse a file of another format version, naming the program that reads it."""
    if version == readable:
        return
    reader = read_by.get(version, "the version of battprob that wrote it")
    raise DataError(
        f"{path} has format version {version}; this battprob reads version {readable}: "
        f"open it with {reader}"
    )


def as_json(item: Any) -> Any:
    """A specification as JSON holds it; every number keeps its exact value.

    Raises:
        DataError: as `save`.
    """
    return _encode(
        item, lambda array: {"dtype": str(array.dtype), "values": array.tolist()}
    )


def from_json(tree: Any) -> Any:
    """The object that `as_json` made `tree` of."""
    return _decode(tree, lambda kept: np.array(kept["values"], kept["dtype"]))


def _archive(stream):
    """The arrays in a file; an empty dictionary where it is no archive of arrays."""
    try:
        file = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        return {}
    return {} if isinstance(file, np.ndarray) else file


def _encode(value, store):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, jax.Array | np.ndarray):
        return _encode_array(value, store)
    if isinstance(value, types.FunctionType):
        name = name_of(value)
        return {"function": name.name, "home": name.home}
    fields = _field_names(value)
    if fields is not None:
        name = name_of(type(value))
        values = {field: _encode(getattr(value, field), store) for field in fields}
        return {"class": name.name, "home": name.home, "fields": values}
    return _encode_container(value, store)


def _encode_array(value, store):
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        data = store(np.asarray(jax.random.key_data(value)))
        return {"key": data, "algorithm": str(jax.random.key_impl(value))}
    if value.dtype == object:
        raise DataError("cannot save an array of Python objects: convert it to numbers")
    kind = "array" if isinstance(value, jax.Array) else "numpy"
    return {kind: store(np.asarray(value))}


def _encode_container(value, store):
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, store) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, store) for key, item in value.items()}}
    raise DataError(
        f"cannot save {value!r}: a {type(value).__name__} has no saved form"
    )


def _field_names(value):
    """Names of the fields of a dataclass (a module is one) or a named tuple."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    return getattr(value, "_fields", None)


def _decode(tree, fetch):
    if not isinstance(tree, dict):
        return tree
    kind = next(iter(tree))
    return _DECODERS[kind](tree, fetch)


def _decode_array(tree, fetch):
    saved = fetch(tree["array"])
    # JAX would turn float64 into float32 without a word where x64 is off.
    if jax.dtypes.canonicalize_dtype(saved.dtype) != saved.dtype:
        raise DataError(
            f"the file holds {saved.dtype} arrays: call battprob.enable_x64() before "
            "battprob.load"
        )
    return jnp.asarray(saved)


def _decode_key(tree, fetch):
    data = jnp.asarray(fetch(tree["key"]))
    return jax.random.wrap_key_data(data, impl=tree["algorithm"])


def _decode_instance(tree, fetch):
    kind = find(Name(tree["class"], tree["home"]))
    fields = {name: _decode(item, fetch) for name, item in tree["fields"].items()}
    if hasattr(kind, "_fields"):
        return kind(**fields)
    made = object.__new__(kind)
    for name, item in fields.items():
        object.__setattr__(made, name, item)
    return made


_DECODERS = {
    "array": _decode_array,
    "numpy": lambda tree, fetch: np.array(fetch(tree["numpy"])),
    "key": _decode_key,
    "list": lambda tree, fetch: [_decode(item, fetch) for item in tree["list"]],
    "tuple": lambda tree, fetch: tuple(_decode(item, fetch) for item in tree["tuple"]),
    "dict": lambda tree, fetch: {
        key: _decode(item, fetch) for key, item in tree["dict"].items()
    },
    "function": lambda tree, _: find(Name(tree["function"], tree["home"])),
    "class": _decode_instance,
}
