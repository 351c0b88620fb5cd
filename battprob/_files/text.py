"""Tables as text."""

from collections.abc import Sequence


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of entries as lines, every column as wide as its widest entry."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{entry:>{w}}" for entry, w in zip(line, widths, strict=True))
        for line in lines
    ]
