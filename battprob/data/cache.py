"""Results of files on disk, so that a file which did not change is not read again."""

import contextlib
import hashlib
import importlib.metadata
import inspect
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ResultCache:
    """Folder with one pickle per file, named by a hash of everything it depends on.

    The hash covers the path, size and time of change of the file, the functions that
    read and transform it (their source and arguments), and the version of battprob.

    Args:
        folder: created if it does not exist.
        functions: functions whose results are stored.
    """

    def __init__(self, folder: Path, *functions: Callable | None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        version = importlib.metadata.version("battprob")
        self.key = repr((version, [_identity(function) for function in functions]))

    def get_or_compute(self, file: Path, compute: Callable[[], Any]) -> Any:
        """The stored result of `file`, or else that of `compute`, which is then stored."""
        entry = self.folder / f"{self._hash(file)}.pickle"
        # A damaged entry (disk full, other version of Python) is computed again.
        with contextlib.suppress(Exception):
            return pickle.loads(entry.read_bytes())
        value = compute()
        # The name is unique, so that two calls with the same folder do not mix.
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as opened:
                pickle.dump(value, opened)
            os.replace(temporary, entry)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return value

    def _hash(self, file):
        stat = file.stat()
        parts = (str(file.resolve()), stat.st_size, stat.st_mtime_ns, self.key)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _identity(function):
    """Text that changes with the code and the bound arguments of a function."""
    import cloudpickle

    inner = function
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    source: Any = inner if inspect.isroutine(inner) else type(inner)
    try:
        text = inspect.getsource(source)
    except (OSError, TypeError):  # typed into an interpreter, compiled
        text = ""
    digest = hashlib.sha256(cloudpickle.dumps(function)).hexdigest()
    return text, digest
