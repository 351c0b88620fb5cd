"""Parser of circuit texts, by recursive descent; no part of a text is ever executed.

    circuit  = item { "-" item }                    in series
    item     = "p(" circuit "," circuit { "," circuit } ")"  |  element
    element  = letters { digits | "_" }             R0, CPE1, R_0, Wo_n1

Spaces are ignored. The name without digits and underscores selects the element.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence

from battprob._errors import DataError
from battprob.eis.elements import STANDARD, Element, find

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DIGITS = str.maketrans("", "", "0123456789_")


@dataclasses.dataclass(frozen=True)
class Leaf:
    """An element under the name that it has in the text, for example CPE1."""

    name: str
    element: Element

    def parameter_names(self) -> list[str]:
        """`R0` for one parameter; `CPE1_0` and `CPE1_1` for several."""
        count = len(self.element.parameters)
        if count == 1:
            return [self.name]
        return [f"{self.name}_{i}" for i in range(count)]


@dataclasses.dataclass(frozen=True)
class Series:
    """Parts in series: impedances add."""

    children: tuple["Node", ...]


@dataclasses.dataclass(frozen=True)
class Parallel:
    """Parts in parallel: admittances add."""

    children: tuple["Node", ...]


Node = Leaf | Series | Parallel


def parse(text: str, elements: Sequence[Element] = ()) -> Node:
    """The tree of a circuit text in impedance.py's notation.

    Args:
        text: for example "R0-p(R1,CPE1)-Wo1".
        elements: the user's own elements, made with `@element`.

    Raises:
        DataError: the text is not a circuit; the message marks the position.

    Example:
        >>> to_text(parse("R_0 - p( R1, C1-Wo1 )"))
        'R_0-p(R1,C1-Wo1)'
    """
    reader = _Reader(text, elements)
    tree = reader.series()
    if reader.peek():
        raise reader.error(f"expected '-' or the end, found {reader.peek()!r}")
    return tree


def to_text(node: Node) -> str:
    """The text of a tree; `parse(to_text(tree)) == tree`."""
    if isinstance(node, Leaf):
        return node.name
    texts = [to_text(child) for child in node.children]
    return "-".join(texts) if isinstance(node, Series) else f"p({','.join(texts)})"


def leaves(node: Node) -> Iterator[Leaf]:
    """The elements of a tree, in the order of the text."""
    if isinstance(node, Leaf):
        yield node
        return
    for child in node.children:
        yield from leaves(child)


class _Reader:
    """The text, the current position, and the names read so far."""

    def __init__(self, text: str, elements: Sequence[Element]):
        self.text, self.elements, self.position = text, elements, 0
        self.names: set[str] = set()

    def peek(self) -> str:
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def take(self, symbol: str) -> bool:
        found = self.peek() == symbol
        self.position += found
        return found

    def error(self, problem: str, position: int | None = None) -> DataError:
        position = self.position if position is None else position
        return DataError(
            f"{problem}, at character {position + 1} of the circuit:\n"
            f"    {self.text}\n    {' ' * position}^"
        )

    def series(self) -> Node:
        children = [self.item()]
        while self.take("-"):
            children.append(self.item())
        return children[0] if len(children) == 1 else Series(tuple(children))

    def item(self) -> Node:
        symbol = self.peek()
        match = _NAME.match(self.text, self.position)
        if match is None:
            found = repr(symbol) if symbol else "the end"
            raise self.error(f"expected an element or 'p(', found {found}")
        start, self.position = self.position, match.end()
        if match[0] == "p" and self.take("("):
            return self.parallel(start)
        return self.leaf(match[0], start)

    def parallel(self, start: int) -> Node:
        children = [self.series()]
        while self.take(","):
            children.append(self.series())
        if not self.take(")"):
            found = repr(self.peek()) if self.peek() else "the end"
            raise self.error(
                f"expected ',' or ')' after the 'p(' at character {start + 1}, "
                f"found {found}"
            )
        if len(children) == 1:
            raise self.error("a parallel connection needs two branches or more", start)
        return Parallel(tuple(children))

    def leaf(self, name: str, start: int) -> Leaf:
        found = find(name.translate(_DIGITS), self.elements)
        if found is None:
            known = " ".join(sorted({*STANDARD, *(e.name for e in self.elements)}))
            raise self.error(f"no element {name!r} (known: {known})", start)
        if name in self.names:
            raise self.error(
                f"the name {name!r} occurs twice: number the elements", start
            )
        self.names.add(name)
        return Leaf(name, found)
