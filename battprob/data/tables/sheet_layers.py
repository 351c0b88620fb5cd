"""Sheets in layers: rows of cycles, of their steps and of their records in one sheet."""

from collections.abc import Sequence

from battprob.data.tables.columns import is_missing, is_value
from battprob.data.tables.sheet import Cells, SheetTable

_MOST_ROWS_ABOVE = 50  # rows before the headers
_INHERITED_WORDS = ("cycle", "step", "status", "state", "type", "name")


def layered_table(cells: Sequence[Cells], first_line: int = 1) -> SheetTable | None:
    """The records of a sheet in layers, with the numbers of their cycle and step.

    Neware and Land write such sheets: consecutive header rows, each of which begins one
    column further to the right than the one above, then for each cycle its row, the
    rows of its steps, and below each step its records. A row belongs to the layer in
    whose column it begins.

    The header of the result is that of the innermost layer, followed by those columns
    of the outer layers whose name contains cycle, step, status, state, type or name,
    but not time.

    Args:
        cells: rows of cells, all of one length.
        first_line: number of the first row in the sheet.

    Returns:
        The table, or None if the sheet has no layers.
    """
    headers = _layer_headers(cells)
    if headers is None:
        return None
    first, depth = headers
    layers = [cells[first + start] for start in range(depth)]
    outer = [_inherited(layer) for layer in layers[:-1]]
    inner = [j for j, name in enumerate(layers[-1]) if not is_missing(name)]
    parents: list[list] = [[""] * len(columns) for columns in outer]
    rows, lines = [], []
    for i in range(first + depth, len(cells)):
        start = _start(cells[i])
        if start is None or start >= depth or not any(map(is_value, cells[i])):
            continue
        if start < depth - 1:
            parents[start] = [cells[i][j] for j in outer[start]]
            continue
        inherited = [cell for parent in parents for cell in parent]
        rows.append([cells[i][j] for j in inner] + inherited)
        lines.append(first_line + i)
    if not rows:
        return None
    names = [layers[-1][j] for j in inner]
    for layer, columns in zip(layers, outer, strict=False):
        names += [layer[j] for j in columns]
    header = tuple(str(name).strip() for name in names)
    statement = "rows of cycles, steps and records in one sheet: the records were taken"
    return SheetTable(header, None, rows, lines, first_line + first, (statement,))


def _layer_headers(cells):
    """Index of the first header row and the number of layers, or None."""
    for i in range(min(len(cells) - 2, _MOST_ROWS_ABOVE)):
        depth = 0
        for row in cells[i : i + 3]:
            if _start(row) != depth or any(map(is_value, row)):
                break
            depth += 1
        below = i + depth
        if depth >= 2 and below < len(cells) and _start(cells[below]) == 0:
            return i, depth
    return None


def _start(row):
    """Column of the first cell that is not empty, or None."""
    return next((j for j, cell in enumerate(row) if not is_missing(cell)), None)


def _inherited(header):
    """Columns of an outer layer that each record inherits."""
    names = [str(name).lower() for name in header]
    return [
        j
        for j, name in enumerate(names)
        if any(word in name for word in _INHERITED_WORDS) and "time" not in name
    ]
