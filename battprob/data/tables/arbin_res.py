"""Arbin `.res` files: Access databases, read with the package `access-parser`."""

from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.access import read_numbers
from battprob.data.tables.columns import day_numbers_to_iso
from battprob.data.tables.packages import reading, require
from battprob.data.tables.table import RawTable

_FORMAT = "Arbin .res"
_REMEDY = (
    "open it in Arbin's Data Watcher or Microsoft Access and export the table "
    "Channel_Normal_Table as .xlsx or .csv"
)
_RECORDS = "Channel_Normal_Table"
_UNITS = {
    "Test_Time": "s",
    "Step_Time": "s",
    "Current": "A",
    "Voltage": "V",
    "Charge_Capacity": "Ah",
    "Discharge_Capacity": "Ah",
    "Charge_Energy": "Wh",
    "Discharge_Energy": "Wh",
    "dV/dt": "V/s",
    "Internal_Resistance": "Ohm",
    "AC_Impedance": "Ohm",
    "ACI_Phase_Angle": "deg",
    "ACR": "Ohm",
}
# Names and units of the auxiliary channels by Arbin's `Data_Type`.
_AUXILIARY = {
    0: ("Aux_Voltage", "V"),
    1: ("Aux_Temperature", "C"),
    2: ("Aux_Pressure", ""),
    3: ("Aux_pH", ""),
    4: ("Aux_Flow_Rate", ""),
    5: ("Aux_Concentration", ""),
}


def read_arbin_res(path: Path) -> tuple[RawTable, ...]:
    """Read the logged rows of each test in an Arbin database.

    The columns are those of the table `Channel_Normal_Table`, sorted by `Data_Point`:
    Test_ID, Data_Point, Test_Time (s), Step_Time (s), DateTime (ISO text), Step_Index,
    Cycle_Index, Is_FC_Data, Current (A), Voltage (V), Charge_Capacity and
    Discharge_Capacity (Ah), Charge_Energy and Discharge_Energy (Wh), dV/dt (V/s),
    Internal_Resistance (Ohm), AC_Impedance (Ohm), ACI_Phase_Angle (deg), and those that
    newer versions add. Auxiliary channels follow (`Aux_Temperature_1`). `meta` has the
    row of `Global_Table` of the test: Test_Name, MASS, Start_DateTime, ….

    Raises:
        DataError: the package is missing, or the database has no such table or rows.
    """
    module = require("access_parser", path, format=_FORMAT, package="access-parser")
    with reading(path, format=_FORMAT, remedy=_REMEDY, logger="access_parser"):
        database = module.AccessParser(str(path))
        if _RECORDS not in database.catalog:
            raise DataError(
                f"{path}: expected an Arbin database with the table {_RECORDS!r}, "
                f"found the tables {sorted(_user_tables(database))}; export the table "
                "of the measurement as .csv"
            )
        records = read_numbers(database, _RECORDS)
        auxiliary = _numbers_or_none(database, "Auxiliary_Table")
        tests = _tests(database)
    _check_columns(path, records)
    tables = tuple(
        _table(path, records, auxiliary, tests.get(test, {}), test)
        for test in np.unique(records.columns["Test_ID"]).tolist()
    )
    if not tables:
        raise DataError(f"{path}: this {_FORMAT} file has no rows of a measurement")
    return tables


def _user_tables(database):
    return [name for name in database.catalog if not name.startswith("MSys")]


def _numbers_or_none(database, name):
    return read_numbers(database, name) if name in database.catalog else None


def _check_columns(path, records):
    missing = [
        name
        for name in ("Test_ID", "Data_Point", "Test_Time", "Voltage", "Current")
        if name not in records.columns
    ]
    if missing:
        raise DataError(
            f"{path}: expected the columns of an Arbin database in {_RECORDS}, found "
            f"none of the names {missing}; {_REMEDY}"
        )


def _tests(database):
    """Row of `Global_Table` of each test, as text."""
    if "Global_Table" not in database.catalog:
        return {}
    columns = database.parse_table("Global_Table")
    count = min((len(values) for values in columns.values()), default=0)
    rows = [{name: values[i] for name, values in columns.items()} for i in range(count)]
    return {row["Test_ID"]: row for row in rows if "Test_ID" in row}


def _table(path, records, auxiliary, description, test):
    rows = np.flatnonzero(records.columns["Test_ID"] == test)
    points = records.columns["Data_Point"][rows]
    rows = rows[np.argsort(points, kind="stable")]
    columns = {name: values[rows] for name, values in records.columns.items()}
    units = {name: _UNITS.get(name, "") for name in columns}
    extra, extra_units = _auxiliary_columns(auxiliary, test, columns["Data_Point"])
    header = (*columns, *extra)
    if "DateTime" in columns:
        columns["DateTime"] = day_numbers_to_iso(columns["DateTime"])
    return RawTable(
        path,
        _FORMAT,
        header,
        (*columns.values(), *extra.values()),
        units=tuple((units | extra_units)[name] for name in header),
        label=_label(description, test),
        meta=_meta(description),
        statements=_count_statements(records) + _gap_statements(np.sort(points)),
    )


def _auxiliary_columns(auxiliary, test, points):
    """One column for each auxiliary channel, NaN at points where it was not logged."""
    columns, units = {}, {}
    if auxiliary is None or "X" not in auxiliary.columns:
        return columns, units
    values = auxiliary.columns
    of_test = values["Test_ID"] == test
    channels = np.stack([values["Data_Type"], values["Auxiliary_Index"]], axis=1)
    for kind, index in np.unique(channels[of_test], axis=0).tolist():
        rows = of_test & (channels == [kind, index]).all(axis=1)
        name, unit = _AUXILIARY.get(int(kind), (f"Aux_{kind:g}", ""))
        header = f"{name}_{index:g}"
        columns[header] = _at_points(
            values["Data_Point"][rows], values["X"][rows], points
        )
        units[header] = unit
    return columns, units


def _at_points(known, values, points):
    column = np.full(len(points), np.nan)
    at = np.searchsorted(points, known)
    at = np.minimum(at, len(points) - 1)
    match = points[at] == known
    column[at[match]] = values[match]
    return column


def _label(description, test):
    name = description.get("Test_Name") or "test"
    channel = description.get("Channel_Index")
    at = "" if channel is None else f", channel {channel}"
    return f"{name} (Test_ID {test:g}{at})"


def _meta(description):
    meta = {
        name: str(value)
        for name, value in description.items()
        if value is not None and str(value).strip()
    }
    start = description.get("Start_DateTime")
    if isinstance(start, float):
        meta["Start_DateTime"] = str(day_numbers_to_iso(np.array([start]))[0])
    return meta


def _count_statements(records):
    count = len(records.columns["Test_ID"])
    if count == records.expected:
        return ()
    return (
        f"{count} rows were read, but the database states {records.expected}: it may "
        "have been copied during the test",
    )


def _gap_statements(points):
    """Statements about rows that the database lacks or contains twice."""
    steps = np.diff(points)
    lost = int(np.sum(steps[steps > 1] - 1))
    repeated = int(np.sum(steps == 0))
    statements = ()
    if lost:
        after = int(points[:-1][steps > 1][0])
        statements += (
            f"{lost} rows are missing: the numbers in Data_Point are not consecutive "
            f"(first after {after})",
        )
    if repeated:
        statements += (f"{repeated} rows have a Data_Point that occurs before",)
    return statements
