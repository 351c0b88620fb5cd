"""Replace a file atomically: a reader sees the old content or the new content.

The new content is written to a temporary file in the same folder, flushed to the disk and
renamed over the old file (a rename is atomic); then the directory entry is flushed. This
holds when the process is killed at any point. Processes that read, change and replace the
same file hold its lock meanwhile; the operating system releases the lock of a process
that dies.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from filelock import BaseFileLock, FileLock


def lock(path: str | os.PathLike) -> BaseFileLock:
    """Lock of the file `path` between processes, as a context manager.

    The lock is the file `<path>.lock`, which stays when the lock is released.

    Raises:
        FileNotFoundError: the folder of `path` does not exist.
    """
    path = Path(path)
    # FileLock would create the folder; a mistyped path must be an error.
    if not path.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent)
        )
    return FileLock(path.with_name(path.name + ".lock"))


def replace_text(path: str | os.PathLike, text: str) -> None:
    """Replace the content of a file by `text`; hold `lock(path)` meanwhile."""
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def replace_file(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Replace the content of a file by what `write` writes to the given binary file."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        # Without this a power loss after the rename could leave an empty file.
        os.fsync(file.fileno())
    temporary.replace(path)
    _flush_directory(path.parent)


def _flush_directory(folder):
    """Flush a rename to the disk, on systems where a directory can be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # pragma: no cover - Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
