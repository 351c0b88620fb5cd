"""Values of the rows: complex impedances, omitted rows, missing values, units."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.impedance.columns import NamedColumns, find_columns
from battprob.data.impedance.values import measured
from tests.data.impedance.tables import arcs, decades, table

NAN = np.nan


def read(columns, area_cm2=None):
    raw = table(columns)
    return measured(raw, find_columns(raw, NamedColumns()), area_cm2)


def test_modulus_and_phase():
    """Assert that degrees and radians, with either sign in the header, give Z."""
    z = arcs(decades())
    polar = {"f": decades(), "|Z|": np.abs(z)}
    phases = {
        "phase/deg": np.rad2deg(np.angle(z)),
        "phase/rad": np.angle(z),
        "-phase/deg": -np.rad2deg(np.angle(z)),
    }
    for name, phase in phases.items():
        points = read(polar | {name: phase})
        np.testing.assert_allclose(points.impedance_ohm, z)
        assert points.statements == ()


@pytest.mark.parametrize("scale", [1.0, 0.02])
def test_phase_without_unit(scale):
    """Assert that the change of the modulus decides the unit where values do not."""
    z = 3 + scale * arcs(decades())
    polar = {"f": decades(), "|Z|": np.abs(z)}
    for unit, phase in (
        ("degrees", np.rad2deg(np.angle(z))),
        ("radians", np.angle(z)),
    ):
        points = read(polar | {"phase": phase})
        np.testing.assert_allclose(points.impedance_ohm, z)
        assert f"phase taken as {unit}" in points.statements[-1]


def test_ambiguous_phase_is_refused():
    """Assert that a phase that could be degrees or radians is refused."""
    polar = {"f": [10.0, 1.0], "|Z|": [1.0, 1.1], "phase": [-0.5, -0.6]}
    with pytest.raises(DataError, match="degrees or radians; write the unit into"):
        read(polar)


def test_rows_that_are_no_points_are_omitted_and_stated():
    """Assert that frequency 0 and empty rows are omitted, with the first line."""
    f, re, im = [0, 10, NAN, 1, 0], [0, 1, NAN, 2, NAN], [0, -1, NAN, -2, NAN]
    points = read({"f": f, "Re": re, "Im": im})
    assert points.rows.tolist() == [1, 3]
    assert points.impedance_ohm.tolist() == [1 - 1j, 2 - 2j]
    assert points.statements == (
        "2 rows with frequency 0 omitted, the first in line 2",
        "1 row with no frequency and no impedance omitted, the first in line 4",
    )


@pytest.mark.parametrize(
    ("f", "re", "im", "message"),
    [
        ([10, NAN], [1, 2], [-1, -2], "line 3: f is missing; correct or remove"),
        (
            [10, 5, 1],
            [1, NAN, NAN],
            [-1, -2, -3],
            r"line 3: Re .* \(and in 1 more rows",
        ),
        ([10, 5], [1, 2], [-1, np.inf], "line 3: Im is infinite"),
        ([10, -5], [1, 2], [-1, -1], "line 3: f is -5; expected a positive frequency"),
        ([0, 0], [1, 2], [-1, -1], "found no row with a frequency above 0"),
    ],
)
def test_values_that_cannot_be_used_are_refused(f, re, im, message):
    """Assert that the message names line, column and remedy."""
    with pytest.raises(DataError, match=message):
        read({"f": f, "Re": re, "Im": im})


def test_a_negative_modulus_is_refused():
    """Assert that a column that cannot be a modulus is refused with its line."""
    with pytest.raises(
        DataError, match=r"line 3: \|Z\| is -2; expected a positive mod"
    ):
        read({"f": [10, 1], "|Z|": [1, -2], "phase/deg": [-1, -1]})


def test_impedance_times_area():
    """Assert that ohm cm² needs the area, and that an area needs ohm cm²."""
    times_area = {"f": [10], "Re(Z)/Ohm.cm²": [3], "-Im(Z)/Ohm.cm²": [6]}
    points = read(times_area, area_cm2=1.5)
    assert points.impedance_ohm.tolist() == [2 - 4j]
    assert points.statements == ("ohm cm² divided by the area of 1.5 cm²",)
    with pytest.raises(DataError, match=r"area_cm2=1.5 .*--area-cm2"):
        read(times_area)
    with pytest.raises(DataError, match="is not in ohm cm²; leave area_cm2 out"):
        read({"f": [10], "Re": [3], "Im": [-6]}, area_cm2=1.5)
    with pytest.raises(DataError, match="if both are in ohm cm²"):
        read({"f": [10], "Re(Z)/Ohm.cm²": [3], "-Im": [6]}, area_cm2=1.5)
