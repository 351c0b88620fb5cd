"""Other programs' circuit notations and files, turned into ours."""

import json
import os
import re
from collections import Counter

from battprob._errors import DataError
from battprob.eis.circuit import Circuit

_BOUKAMP = {"Q": "CPE", "O": "Ws", "T": "Wo", "G": "G", "W": "W"}
_AUTOEIS = {"P": "CPE"}


def from_boukamp(text: str) -> str:
    """Our string of a Boukamp circuit description code such as "R(RQ)(R(C[RW]))".

    Brackets alternate between parallel and series, the outermost being parallel; square
    ones are series wherever they stand. O is the finite-length (short) and T the
    finite-space (open) diffusion.

    Raises:
        DataError: a symbol that is not of the code, or brackets that do not match.

    Example:
        >>> from_boukamp("R(RQ)(C[RW])")
        'R0-p(R1,CPE1)-p(C1,R2-W1)'

    References:
        Boukamp, Solid State Ionics 20 (1986) 31, doi:10.1016/0167-2738(86)90031-7.
    """
    symbols = re.sub(r"\s|\d|_", "", text)
    counts: Counter[str] = Counter()
    return _boukamp_group(symbols, 0, "", counts)[0]


def _boukamp_group(symbols, at, closing, counts, *, parallel=False):
    """Items from `at` to the bracket `closing` (none: to the end), and where that is."""
    items = []
    while at < len(symbols) and symbols[at] not in ")]":
        if symbols[at] in "([":
            within = symbols[at] == "(" and not parallel
            end = ")" if symbols[at] == "(" else "]"
            item, at = _boukamp_group(symbols, at + 1, end, counts, parallel=within)
            items.append(item)
        else:
            items.append(_numbered(_boukamp_name(symbols, at), counts))
        at += 1
    if symbols[at : at + 1] != closing:
        found = symbols[at : at + 1] or "the end"
        expected = closing or "the end"
        raise DataError(f"expected {expected}, found {found}, in the code {symbols!r}")
    if not items:
        raise DataError(f"empty brackets in the circuit code {symbols!r}")
    if parallel and len(items) > 1:
        return f"p({','.join(items)})", at
    return "-".join(items), at


def _boukamp_name(symbols, at):
    name = _BOUKAMP.get(symbols[at], symbols[at])
    if name not in {"R", "C", "L", *_BOUKAMP.values()}:
        raise DataError(
            f"no element {symbols[at]!r} (character {at + 1}) in Boukamp's code "
            f"{symbols!r}: known are R C L Q W O T G"
        )
    return name


def _numbered(name, counts):
    """R0 R1 R2 ..., the others from 1: the series resistance comes first and alone."""
    counts[name] += 1
    return f"{name}{counts[name] - (name == 'R')}"


def from_autoeis(text: str) -> str:
    """Our string of an AutoEIS circuit such as "R0-[R1,P2]".

    Example:
        >>> from_autoeis("R0-[R1,P2-L3]")
        'R0-p(R1,CPE2-L3)'
    """
    renamed = re.sub(r"[A-Za-z]+", lambda m: _AUTOEIS.get(m[0], m[0]), text)
    return renamed.replace("[", "p(").replace("]", ")")


def read_impedance_py(path: str | os.PathLike) -> tuple[Circuit, dict[str, float]]:
    """The circuit in a JSON file that impedance.py saved, and its parameters by name.

    The parameters are the fitted ones, or the initial guess of a circuit not yet
    fitted; hand them to `Circuit.fit(..., guess=...)`.

    Raises:
        DataError: the file is not such a file, or their number does not fit the circuit.
    """
    with open(path, encoding="utf-8") as file:
        saved = json.load(file)
    missing = {"Circuit String", "Constants", "Initial Guess"} - set(saved)
    if missing:
        raise DataError(
            f"{path} is not a circuit saved by impedance.py: no {sorted(missing)}"
        )
    circuit = Circuit(saved["Circuit String"], constants=saved["Constants"])
    values = saved["Parameters"] if saved.get("Fit") else saved["Initial Guess"]
    if len(values) not in (0, len(circuit.names)):
        raise DataError(
            f"{path} holds {len(values)} parameters, but {circuit} has "
            f"{len(circuit.names)} free ones: {circuit.names}"
        )
    return circuit, dict(zip(circuit.names, map(float, values), strict=False))
