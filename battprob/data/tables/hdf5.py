"""HDF5 files with tables: of pandas, and of data sets of one length in a group."""

import pickletools
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.columns import array_column
from battprob.data.tables.packages import reading, require
from battprob.data.tables.table import RawTable

MAGIC = b"\x89HDF\r\n\x1a\n"
_FORMAT = "HDF5"
_REMEDY = "export the table as .csv or .parquet"


def read_hdf5(path: Path) -> tuple[RawTable, ...]:
    """Read the tables of an HDF5 file.

    A table is one of:

    - a data frame that pandas wrote in its `fixed` format (columns of text, which pandas
      stores as Python objects, are left out with a statement);
    - a data frame in the `table` format of pandas (as in the files of cellpy);
    - a data set of records with named fields (`h5py` structured arrays, PyTables);
    - a group with at least two one-dimensional data sets of one length.

    Each table is labelled with its path inside the file.

    Raises:
        DataError: `h5py` is missing, the file is damaged, or it has no such table.
    """
    module = require("h5py", path, format=_FORMAT, package="h5py")
    with (
        reading(path, format=_FORMAT, remedy=_REMEDY),
        module.File(path, "r") as file,
    ):
        names = [file.name]
        file.visit(lambda name: names.append(f"/{name}"))
        tables = _tables(path, module, file, names)
    if not tables:
        raise DataError(
            f"{path}: expected a table in this HDF5 file (a data frame of pandas, "
            "records with named fields, or data sets of one length in a group), found "
            f"{names[1:9]}; {_REMEDY}"
        )
    return tuple(tables)


def _tables(path, module, file, names):
    tables, frames = [], []
    for name in names:
        is_in_frame = any(name.startswith(frame + "/") for frame in frames)
        if is_in_frame or "/_i_" in name:  # the latter: PyTables' index of a table
            continue
        item = file[name]
        if isinstance(item, module.Dataset):
            columns, statements = _records(item), ()
        elif _text(item.attrs.get("pandas_type")) == "frame":
            frames.append(name)
            columns, statements = _frame(item)
        else:
            columns, statements = _data_sets(module, item), ()
        if columns and len(columns[0][1]):
            tables.append(
                RawTable(
                    path,
                    _FORMAT,
                    tuple(column for column, _ in columns),
                    tuple(values for _, values in columns),
                    label=name.removesuffix("/table").strip("/"),
                    meta=_attributes(item),
                    statements=statements,
                )
            )
    return tables


def _frame(group):
    """Columns of a pandas frame in `fixed` format, in the order of the frame."""
    values, left_out = {}, []
    for i in range(int(group.attrs["nblocks"])):
        items = [_text(item) for item in group[f"block{i}_items"][()]]
        block = group[f"block{i}_values"]
        if block.dtype.kind not in "fiub" or block.ndim != 2:
            left_out += items  # pickled objects: reading them could run any code
            continue
        data = block[()]
        values |= {name: array_column(data[:, j]) for j, name in enumerate(items)}
    names = [_text(name) for name in group["axis0"][()]]
    columns = [(name, values[name]) for name in names if name in values]
    statements = (
        (f"the columns {left_out} are stored as Python objects: left out",)
        if left_out
        else ()
    )
    return columns, statements


def _records(data):
    """Columns of a data set with named fields; fields of several values are left out."""
    if data.ndim != 1 or not data.dtype.names:
        return []
    records = data[()]
    columns = []
    for field in data.dtype.names:
        values = np.ascontiguousarray(records[field])
        if values.dtype.kind not in "fiubSO":
            continue
        names = [field] if values.ndim == 1 else _block_names(data, field)
        blocks = values.reshape(len(values), -1)
        columns += [
            (name, array_column(_decoded(blocks[:, j]))) for j, name in enumerate(names)
        ]
    return columns


def _block_names(data, field):
    """Names of the columns that pandas stores as one field of a table.

    pandas stores them as a pickled list of text. Unpickling could run any code, so that
    only the text in the list is taken.
    """
    kind = data.attrs.get(f"{field}_kind")
    if not isinstance(kind, bytes):
        return []
    return [
        argument
        for operation, argument, _ in pickletools.genops(kind)
        if isinstance(argument, str) and "UNICODE" in operation.name
    ][: data.dtype[field].shape[0]]


def _data_sets(module, group):
    """The one-dimensional data sets of a group that have the length of the most."""
    data = {
        name: item
        for name, item in group.items()
        if isinstance(item, module.Dataset)
        and item.dtype.kind in "fiubSO"
        and (item.ndim == 1 or (item.ndim == 2 and min(item.shape) == 1))
        and item.size > 1
    }
    if len(data) < 2:
        return []
    sizes = [item.size for item in data.values()]
    size = max(set(sizes), key=sizes.count)
    columns = [
        (name, array_column(_decoded(np.ravel(item[()]))))
        for name, item in data.items()
        if item.size == size
    ]
    return columns if len(columns) > 1 else []


def _decoded(values):
    if values.dtype.kind != "O":
        return values
    return np.array([_text(value) for value in values], object)


def _attributes(item):
    """Attributes as text; those of pandas and PyTables describe only the storage."""
    if "CLASS" in item.attrs:
        return {}
    return {
        name: _text(value)
        for name, value in item.attrs.items()
        if isinstance(value, str | bytes | int | float | np.generic)
    }


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
