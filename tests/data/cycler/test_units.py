"""Headers without units are read only if something confirms s and A."""

import pytest

from battprob import DataError
from battprob.data.cycler.units import check_units
from tests.data.cycler.logs import cycled, log_of


def _columns(*names):
    data = cycled()
    headers = {
        "t": "time",
        "v": "voltage",
        "i": "current",
        "qc": "charge_capacity",
        "qc/Ah": "charge_capacity_Ah",
    }
    columns = ("t", "v", "i", *names)
    return {headers[name]: data[name.split("/")[0]] for name in columns}


def _check(columns, named=None, **fields):
    log = log_of(columns, named, **fields)
    check_units(log, log["time_s"])


def test_headers_without_units_are_refused():
    with pytest.raises(
        DataError, match=r"\['time', 'current'\] have no unit.*columns="
    ):
        _check(_columns())


def test_a_counter_without_a_unit_confirms_none():
    # Milliamperes and milliampere-hours agree as well as A and Ah.
    with pytest.raises(DataError, match=r"\['time', 'current'\] have no unit"):
        _check(_columns("qc"))


def test_units_are_confirmed_by_caller_counter_wall_clock_or_format():
    _check(_columns(), {"time_s": "time", "current_a": "current"})
    _check(_columns("qc/Ah"))
    columns = _columns() | {"date": 1.9e9 + _columns()["time"]}
    with pytest.raises(DataError, match=r"\['current'\] have no unit"):
        _check(columns)
    _check(columns, {"current_a": "current"})
    _check(_columns(), format_name="Arbin .res")
