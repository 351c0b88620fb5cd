"""A file that is always the old one or the new one, whenever the process is killed.

Written beside the file, forced to the disk, renamed over it (which is atomic), and the
folder's entry forced too. Writers take turns under a lock that the system takes back from
a process that dies.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None
    import msvcrt


@contextlib.contextmanager
def locked(path: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of `path` (a file beside it, `.lock` at the end) in this block."""
    path = Path(path)
    with path.with_name(path.name + ".lock").open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:  # pragma: no cover - Windows
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # pyright: ignore[reportAttributeAccessIssue, reportPossiblyUnboundVariable]
        yield


def replace_text(path: str | os.PathLike, text: str) -> None:
    """Put `text` into the file in place of what it holds; call it under `locked`."""
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def replace_file(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Put what `write` writes into the file in place of what it holds."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _force_entry(path.parent)


def _force_entry(folder):
    """Make a rename in the folder outlive a loss of power, where folders can be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # pragma: no cover - Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
