"""Files in folders, and files with the same content."""

import hashlib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from battprob._errors import DataError

AnyPath = str | PathLike[str]


def files_in(paths: AnyPath | Iterable[AnyPath]) -> list[Path]:
    """Files in the given order; a folder stands for all files in and below it.

    The files of a folder are sorted by path. Hidden ones (`.DS_Store`) are left out, and
    a file that is given twice is listed once.

    Raises:
        DataError: a path does not exist, a folder has no files, or there are no paths.
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    files = [file for path in given for file in _expanded(Path(path))]
    if not files:
        raise DataError("expected files or folders, got none")
    first: dict[Path, Path] = {}
    for file in files:
        first.setdefault(file.resolve(), file)
    return list(first.values())


def _expanded(path):
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"no file {path}")
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not files:
        raise DataError(f"the folder {path} has no files")
    return files


def copies(files: Iterable[Path]) -> dict[Path, Path]:
    """Files whose content equals that of an earlier file, with that file.

    Only files of equal size are read for the comparison.
    """
    by_size: dict[int, list[Path]] = {}
    for file in files:
        by_size.setdefault(file.stat().st_size, []).append(file)
    found = {}
    for group in by_size.values():
        first: dict[bytes, Path] = {}
        for file in group if len(group) > 1 else ():
            original = first.setdefault(_digest(file), file)
            if original is not file:
                found[file] = original
    return found


def _digest(file):
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
