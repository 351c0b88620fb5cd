"""Access to single lines of a long text without splitting it."""

import numpy as np


class Lines:
    """Lines of a text that are not empty, by index."""

    def __init__(self, body: bytes, first_line: int | np.ndarray):
        self.body = body
        self._first = first_line
        self._filled: np.ndarray | None = None
        self._starts: np.ndarray | None = None
        self._ends = np.zeros(0, dtype=np.int64)

    @property
    def filled(self) -> np.ndarray:
        """Index among all lines of each line that is not empty."""
        if self._filled is None:
            starts, ends = self._bounds()
            bytes_ = np.frombuffer(self.body, np.uint8)
            is_return = bytes_[np.minimum(starts, len(self.body) - 1)] == 13
            empty = (starts == ends) | ((ends - starts == 1) & is_return)
            self._filled = np.flatnonzero(~empty)
        return self._filled

    def expect(self, filled: int) -> None:
        """Save the search for empty lines if there are as many filled ones as lines."""
        if self._filled is None:
            count = self.body.count(b"\n") + (not self.body.endswith(b"\n"))
            self._filled = np.arange(count) if count == filled else None

    def equal_to(self, line: bytes) -> np.ndarray:
        """Indices of the lines that are equal to a line, which is not empty."""
        positions = []
        position = self.body.find(line) if line else -1
        while position >= 0:
            end = position + len(line)
            before = self.body[max(position - 1, 0) : position]
            after = self.body[end : end + 1]
            if before in (b"", b"\n") and after in (b"", b"\n", b"\r"):
                positions.append(position)
            position = self.body.find(line, end)
        if not positions:
            return np.zeros(0, dtype=np.int64)
        starts, _ = self._bounds()
        return np.searchsorted(starts[self.filled], positions)

    def _bounds(self):
        if self._starts is None:
            newlines = np.flatnonzero(np.frombuffer(self.body, np.uint8) == 10)
            self._starts = np.concatenate([[0], newlines + 1])
            self._ends = np.concatenate([newlines, [len(self.body)]])
        return self._starts, self._ends

    def text(self, index: int) -> str:
        """Text of the line with an index among the lines that are not empty."""
        starts, ends = self._bounds()
        line = self.filled[index]
        return (
            self.body[starts[line] : ends[line]].decode("utf-8", "replace").strip("\r")
        )

    def numbers(self, indices: np.ndarray) -> np.ndarray:
        """Lines in the file, from 1."""
        if isinstance(self._first, np.ndarray):
            return self._first[self.filled[indices]]
        return self.filled[indices] + self._first

    def number(self, index: int) -> int:
        """Line in the file, from 1."""
        return int(self.numbers(np.array([index]))[0])

    def without(self, indices: np.ndarray, stop: int | None) -> bytes:
        """Text without some lines, and without all lines from `stop` on."""
        starts, ends = self._bounds()
        end = len(self.body) if stop is None else starts[self.filled[stop]]
        parts, position = [], 0
        for line in self.filled[indices]:
            parts.append(self.body[position : starts[line]])
            position = ends[line] + 1
        return b"".join([*parts, self.body[position:end]])
