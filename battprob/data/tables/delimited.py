"""Columns of a text table with one row per line, converted with pyarrow."""

import re
from typing import NamedTuple

import numpy as np

from battprob.data.tables.cells import MISSING
from battprob.data.tables.numbers import to_numbers

# 8 MiB are parsed at a time: the cache of the processor is used better than with one
# block, and the types do not depend on it because they are given.
_BLOCK = 1 << 23
_MOST_ATTEMPTS = 4
_NULLS = sorted(
    {word for name in MISSING for word in (name, name.upper(), name.capitalize())}
    | {"NaN", "#N/A"}
)


class Columns(NamedTuple):
    """Columns of the rows that have the expected number of fields.

    Attributes:
        columns: float64 where every value is a number or missing, else object of str.
        irregular: rows, counted from 0 among all lines that are not empty, with another
            number of fields; they are not in `columns`.
        texts: for columns of mostly numbers that are kept as text: their index, with
            the rows (counted from 0 in `columns`) that hold no number.
        statements: how marks between digits were read.
    """

    columns: list[np.ndarray]
    irregular: np.ndarray
    texts: dict[int, np.ndarray]
    statements: tuple[str, ...]


def parse(body: bytes, delimiter: str, numeric: list[bool], decimal: str) -> Columns:
    """Columns of lines of delimited fields.

    Args:
        body: UTF-8 without a header.
        delimiter: one character.
        numeric: for every column, whether its values are expected to be numbers.
        decimal: decimal mark of unambiguous numbers; empty if unknown.
    """
    numeric = list(numeric)
    table, irregular, failed = _read(body, delimiter, numeric, decimal)
    attempts = 1
    while table is None:
        # Text columns cannot fail, so that the last attempt succeeds.
        if failed is not None and attempts < _MOST_ATTEMPTS:
            numeric[failed] = False
        else:
            numeric = [False] * len(numeric)
        table, irregular, failed = _read(body, delimiter, numeric, decimal)
        attempts += 1
    columns, texts, statements = [], {}, []
    for number, column in enumerate(table.columns):
        if numeric[number]:
            columns.append(_floats(column))
            continue
        strings = _strings(column)
        converted = _numbers(strings, decimal)
        if converted is not None:
            strings, rows, statement = converted
            statements += [statement] if statement else []
            if len(rows):
                texts[number] = rows
        columns.append(strings)
    # One statement of each kind: the example differs from column to column.
    kinds = {re.sub(r"such as '.*?' ", "", text): text for text in reversed(statements)}
    unique = tuple(reversed(kinds.values()))
    return Columns(columns, np.array(irregular, dtype=int), texts, unique)


def _read(body, delimiter, numeric, decimal):
    """Arrow table and irregular rows, or the number of a column that is not numeric."""
    import pyarrow as pa
    from pyarrow import csv

    irregular: list[int] = []

    def skip(row):
        irregular.append(row.number - 1)
        return "skip"

    names = [str(number) for number in range(len(numeric))]
    for block in (min(_BLOCK, len(body)), len(body)):
        irregular.clear()
        try:
            table = csv.read_csv(
                pa.BufferReader(pa.py_buffer(body)),
                # Line numbers of irregular rows are correct on one thread only.
                read_options=csv.ReadOptions(
                    column_names=names, block_size=max(block, 1), use_threads=False
                ),
                parse_options=csv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if b'"' in body else False,
                    invalid_row_handler=skip,
                ),
                convert_options=csv.ConvertOptions(
                    column_types={
                        name: pa.float64() if is_number else pa.string()
                        for name, is_number in zip(names, numeric, strict=True)
                    },
                    null_values=_NULLS,
                    strings_can_be_null=False,
                    decimal_point=decimal or ".",
                ),
            )
        except pa.ArrowInvalid as error:
            failed = re.match(r"In CSV column #(\d+)", str(error))
            if failed:
                return None, [], int(failed[1])
            if block == len(body):  # "straddling": a line is longer than a block
                raise
        else:
            return table, irregular, None
    raise AssertionError("the largest block holds every line")


def _floats(column):
    """Float64 array of an Arrow column; NaN where it is null.

    `Array.to_numpy` of pyarrow would import pandas, which takes longer than the rest.
    """
    values = np.empty(len(column))
    start = 0
    for chunk in column.chunks:
        valid, data = chunk.buffers()
        part = values[start : start + len(chunk)]
        part[:] = np.frombuffer(data, float, len(chunk), 8 * chunk.offset)
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
            part[bits[chunk.offset : chunk.offset + len(chunk)] == 0] = np.nan
        start += len(chunk)
    return values


def _strings(column):
    """Object array of the stripped strings of an Arrow column.

    Equal strings share one Python object while there are few different ones.
    """
    values = np.empty(len(column), dtype=object)
    if not len(column):
        return values
    sample = column.slice(0, 1000).to_pylist()
    if len(set(sample)) > 0.5 * len(sample):  # dates
        values[:] = [word.strip() for word in column.to_pylist()]
        return values
    encoded = column.combine_chunks().dictionary_encode()
    words = np.empty(len(encoded.dictionary), dtype=object)
    words[:] = [word.strip() for word in encoded.dictionary.to_pylist()]
    indices = encoded.indices
    number = np.frombuffer(
        indices.buffers()[1], np.int32, len(indices), 4 * indices.offset
    )
    values[:] = words[number]
    return values


def _numbers(strings, decimal):
    """Numbers of text cells if a column is numeric, the rows with text, a statement."""
    filled = [cell for cell in strings[:200] if cell.lower() not in MISSING]
    if filled and len(to_numbers(filled, decimal).invalid) == len(filled):
        return None  # a column of words or dates: saves the time for all its rows
    values, invalid, statement = to_numbers(strings, decimal)
    if not len(invalid):
        return values, invalid, statement
    filled = len(strings) - np.count_nonzero(np.isnan(values)) + len(invalid)
    if len(invalid) < 0.5 * filled:
        return strings, invalid, statement
    return strings, invalid[:0], statement if "two readings" in statement else ""
