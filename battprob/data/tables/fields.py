"""From a line of a text table to its fields, and names of the separators."""

import csv
import re

SEPARATORS = ("\t", ";", "|", ",", " ", "  ", "")
"""Separators in the order of preference where several fit equally well.

Two blanks stand for a tab or at least two blanks, one blank for any run of blanks and
tabs, and the empty string for lines of one field.
"""

NAMES = {
    "\t": "tabs",
    ";": "semicolons",
    "|": "vertical bars",
    ",": "commas",
    "  ": "runs of blanks",
    " ": "blanks",
    "": "line ends",
}
_QUOTED = re.compile(r'"[^"]*"|\S+')
_RUNS = re.compile(r"\t+|\s{2,}")


def split(line: str, separator: str) -> list[str]:
    """Fields of a line without the blanks and quotes around them.

    Example:
        >>> split('1; "1,350.0" ;CC Chg', ";"), split(" 1.0  2.0", " ")
        (['1', '1,350.0', 'CC Chg'], ['1.0', '2.0'])
    """
    if separator == "":
        return [line.strip()]
    if separator == " ":
        parts = _QUOTED.findall(line) if '"' in line else line.split()
    elif separator == "  ":
        parts = _RUNS.split(line.strip())
    elif '"' in line:
        parts = _csv(line, separator)
    else:
        parts = line.split(separator)
    return [part.strip().strip('"').strip() for part in parts]


def _csv(line, separator):
    try:
        return next(csv.reader([line.replace("\0", "")], delimiter=separator), [])
    except csv.Error:  # a field over the limit of the csv module
        return line.split(separator)


def is_blank(line: str) -> bool:
    """Whether a line has nothing but blanks and separators."""
    return not line.strip(" \t;,|\r\f\v\"'")


def comment_body(line: str) -> str | None:
    """Text of a comment line; None if the line is no comment."""
    match = _COMMENT.match(line)
    return line[match.end() :] if match else None


_COMMENT = re.compile(r'\s*"?(?:#+|%+|~|//+|!+)\s*')
