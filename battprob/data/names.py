"""Names of records from the names of their files."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".zip"}
_FORMATS = {".bdf"}  # formats that are named before the suffix: `cell.bdf.csv`


def record_name(path: str | PathLike[str]) -> str:
    """Name of a file without its suffix, also without a double one (`.bdf.csv`).

    Example:
        >>> record_name("cell_25.1degC.csv"), record_name("a/b1.bdf.csv.gz")
        ('cell_25.1degC', 'b1')
    """
    path = Path(path)
    if path.suffix.lower() in _COMPRESSED and path.stem:
        path = path.with_suffix("")
    stem = Path(path.stem)
    return stem.stem if stem.suffix.lower() in _FORMATS else str(stem)


def distinct_names(paths: Sequence[Path]) -> Mapping[Path, str]:
    """A name for each file; files of the same name are distinguished by their paths.

    The name of a file is `record_name`. Where several files have the same one, it is
    the shortest end of the path that no other of these files has: `cell.001` and
    `cell.002` in one folder, `run1/cell` and `run2/cell` in two folders.

    Args:
        paths: different files.

    Example:
        >>> names = distinct_names([Path("1/a.csv"), Path("2/a.csv"), Path("2/b.csv")])
        >>> list(names.values())
        ['1/a', '2/a', 'b']
    """
    by_name: dict[str, list[Path]] = {}
    for path in paths:
        by_name.setdefault(record_name(path), []).append(path)
    names = {}
    for name, group in by_name.items():
        names |= {group[0]: name} if len(group) == 1 else _distinguished(group)
    return {path: names[path] for path in paths}


def _distinguished(paths):
    depth = max(len(path.parts) for path in paths)
    for as_text in (lambda path: path.with_name(record_name(path)), Path):
        for length in range(1, depth + 1):
            names = ["/".join(as_text(path).parts[-length:]) for path in paths]
            if len(set(names)) == len(paths):
                return dict(zip(paths, names, strict=True))
    return {path: str(path) for path in paths}
