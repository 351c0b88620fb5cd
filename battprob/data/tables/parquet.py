"""Parquet and Arrow (feather) files, read with `pyarrow`."""

from pathlib import Path

from battprob._errors import DataError
from battprob.data.tables.columns import array_column
from battprob.data.tables.packages import reading, require
from battprob.data.tables.table import RawTable

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
_REMEDY = "write it again, or export it as .csv"


def read_parquet(path: Path) -> tuple[RawTable, ...]:
    """Read the columns of a parquet file that contain numbers, text or times.

    Names are those of the file. Durations and times of day become seconds (the unit of
    the column is then `s`), instants become ISO text. Columns of other types (lists,
    structures, bytes) are left out, with a statement.

    Raises:
        DataError: `pyarrow` is missing, or the file is damaged or has no rows.
    """
    module = require("pyarrow.parquet", path, format="parquet", package="pyarrow")
    with reading(path, format="parquet", remedy=_REMEDY):
        table = module.ParquetFile(path).read()
    return (_table(path, "parquet", table),)


def read_feather(path: Path) -> tuple[RawTable, ...]:
    """Read an Arrow file (feather, version 2) like a parquet file.

    Raises:
        DataError: `pyarrow` is missing, or the file is damaged or has no rows.
    """
    module = require("pyarrow.feather", path, format="feather", package="pyarrow")
    with reading(path, format="feather", remedy=_REMEDY):
        table = module.read_table(path)
    return (_table(path, "feather", table),)


def _table(path, format_name, table):
    if table.num_rows == 0:
        raise DataError(f"{path}: this {format_name} file has no rows")
    columns, units, left_out = {}, [], []
    for name, values in zip(table.column_names, table.columns, strict=True):
        with reading(path, format=format_name, remedy=_REMEDY):
            converted = _column(values)
        if converted is None:
            left_out.append(name)
            continue
        columns[len(columns)] = (name, converted[0])
        units.append(converted[1])
    if not columns:
        raise DataError(
            f"{path}: expected columns of numbers, text or times in this {format_name} "
            f"file, found the types {sorted({str(t) for t in table.schema.types})}"
        )
    statements = (
        (f"the columns {left_out} are neither numbers, text nor times: left out",)
        if left_out
        else ()
    )
    return RawTable(
        path,
        format_name,
        tuple(name for name, _ in columns.values()),
        tuple(values for _, values in columns.values()),
        units=tuple(units) if any(units) else None,
        statements=statements,
    )


def _column(values):
    """Column and its unit, or None if its type is not supported."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    unit = "s" if types.is_time(kind) or types.is_duration(kind) else ""
    if types.is_time(kind):
        # Times of day have no arithmetic in Arrow: use the count since midnight.
        count = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        values = count.cast(pa.int64()).cast(pa.duration(kind.unit))
    elif types.is_timestamp(kind):
        values = values.cast(pa.timestamp(kind.unit))  # in UTC if it has a time zone
    elif types.is_date(kind):
        values = values.cast(pa.timestamp("ms"))
    elif types.is_string(kind) or types.is_large_string(kind):
        values = values.fill_null("")
    elif types.is_null(kind) or any(is_kind(kind) for is_kind in _number_types(types)):
        values = values.cast(pa.float64(), safe=False)
    elif not types.is_duration(kind):
        return None
    return array_column(values.to_numpy()), unit


def _number_types(types):
    return (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
