"""Circuit notations and files of other programs, converted to this package's."""

import json
import os
import re
from collections import Counter

from battprob._errors import DataError
from battprob.eis.circuit import Circuit

_BOUKAMP = {"Q": "CPE", "O": "Ws", "T": "Wo", "G": "G", "W": "W"}
_AUTOEIS = {"P": "CPE"}


def from_boukamp(text: str) -> str:
    """Text of a circuit given in Boukamp's description code, such as "R(RQ)(R(C[RW]))".

    Brackets alternate between parallel and series, the outermost being parallel. Square
    brackets are always series. O is finite-length (short) and T finite-space (open)
    diffusion.

    Raises:
        DataError: a symbol that is not part of the code, or brackets that do not match.

    Example:
        >>> from_boukamp("R(RQ)(C[RW])")
        'R0-p(R1,CPE1)-p(C1,R2-W1)'

    References:
        Boukamp, Solid State Ionics 20 (1986) 31, doi:10.1016/0167-2738(86)90031-7.
    """
    symbols = re.sub(r"\s|\d|_", "", text)
    counts: Counter[str] = Counter()
    return _boukamp_group(symbols, 0, "", counts)[0]


def _boukamp_group(symbols, position, closing, counts, *, parallel=False):
    """Text of the symbols up to the bracket `closing` ("": the end); its position."""
    items = []
    while position < len(symbols) and symbols[position] not in ")]":
        if symbols[position] in "([":
            inner = symbols[position] == "(" and not parallel
            end = ")" if symbols[position] == "(" else "]"
            item, position = _boukamp_group(
                symbols, position + 1, end, counts, parallel=inner
            )
            items.append(item)
        else:
            items.append(_numbered(_boukamp_name(symbols, position), counts))
        position += 1
    if symbols[position : position + 1] != closing:
        found = symbols[position : position + 1] or "the end"
        expected = closing or "the end"
        raise DataError(f"expected {expected}, found {found}, in the code {symbols!r}")
    if not items:
        raise DataError(f"empty brackets in the circuit code {symbols!r}")
    if parallel and len(items) > 1:
        return f"p({','.join(items)})", position
    return "-".join(items), position


def _boukamp_name(symbols, position):
    name = _BOUKAMP.get(symbols[position], symbols[position])
    if name not in {"R", "C", "L", *_BOUKAMP.values()}:
        raise DataError(
            f"no element {symbols[position]!r} (character {position + 1}) in Boukamp's "
            f"code {symbols!r}: expected one of R C L Q W O T G"
        )
    return name


def _numbered(name, counts):
    """The next number: R from 0, because the series resistance is R0; others from 1."""
    counts[name] += 1
    return f"{name}{counts[name] - (name == 'R')}"


def from_autoeis(text: str) -> str:
    """Text of a circuit given in AutoEIS's notation, such as "R0-[R1,P2]".

    Example:
        >>> from_autoeis("R0-[R1,P2-L3]")
        'R0-p(R1,CPE2-L3)'
    """
    renamed = re.sub(r"[A-Za-z]+", lambda m: _AUTOEIS.get(m[0], m[0]), text)
    return renamed.replace("[", "p(").replace("]", ")")


def read_impedance_py(path: str | os.PathLike) -> tuple[Circuit, dict[str, float]]:
    """Read a circuit that impedance.py saved as JSON, and its parameters by name.

    Returns:
        the circuit, and its fitted parameters, or the initial guess if it is not
        fitted; pass them to `Circuit.fit(..., guess=...)`.

    Raises:
        DataError: the file is not of this kind, or the number of parameters does not
            match the circuit.
    """
    with open(path, encoding="utf-8") as file:
        saved = json.load(file)
    missing = {"Circuit String", "Constants", "Initial Guess"} - set(saved)
    if missing:
        raise DataError(
            f"{path} is not a circuit saved by impedance.py: entries {sorted(missing)} "
            "are missing"
        )
    circuit = Circuit(saved["Circuit String"], constants=saved["Constants"])
    values = saved["Parameters"] if saved.get("Fit") else saved["Initial Guess"]
    if len(values) not in (0, len(circuit.names)):
        raise DataError(
            f"{path} has {len(values)} parameters, but {circuit} has "
            f"{len(circuit.names)} free parameters {circuit.names}"
        )
    return circuit, dict(zip(circuit.names, map(float, values), strict=False))
