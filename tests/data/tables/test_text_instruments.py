"""Text formats of instruments whose tables differ from rows after one header."""

from pathlib import Path

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.text import read_text_tables

FREQUENCY = np.array([1000.0, 100.0, 10.0, 1.0])
REAL = np.array([1.5, 2.25, 3.125, 4.0])
IMAGINARY = np.array([-0.5, -1.0, -0.75, -0.25])
SPECTRUM = list(zip(FREQUENCY, REAL, IMAGINARY, strict=True))


def read(lines, name="a.txt", end="\n"):
    return read_text_tables(Path(name), (end.join(lines) + end).encode())


def check(table, names):
    """Assert frequencies and impedances of the columns with these names."""
    for name, values in zip(names, (FREQUENCY, REAL, IMAGINARY), strict=True):
        np.testing.assert_allclose(table.columns[table.index(name)], values)


def gamry(rows, table="ZCURVE\tTABLE"):
    return [
        table,
        "\tPt\tTime\tFreq\tZreal\tZimag\tOver",
        "\t#\ts\tHz\tohm\tV vs. Ref.\tbits",
        *rows,
    ]


GAMRY_HEAD = ["EXPLAIN", "TAG\tEISPOT", "AREA\tQUANT\t1.5\t&Area (cm^2)"]
GAMRY_ROWS = [
    f"\t{i}\t{i}\t{f}\t{r}\t{x}\t..........." for i, (f, r, x) in enumerate(SPECTRUM)
]


def test_gamry_rows_units_and_values():
    (table,) = read(
        [*GAMRY_HEAD, *gamry(GAMRY_ROWS), "EXPERIMENTABORTED\tTOGGLE\tT\tx"]
    )
    check(table, ("Freq", "Zreal", "Zimag"))
    assert table.units == ("#", "s", "Hz", "ohm", "V vs. Ref.", "bits")
    assert (table.label, table.format) == ("ZCURVE", "Gamry .DTA")
    assert table.meta["Area (cm^2)"] == table.meta["AREA"] == "1.5"
    np.testing.assert_array_equal(table.lines, [7, 8, 9, 10])


def test_gamry_rows_whose_tabs_became_blanks():
    rows = [*GAMRY_ROWS[:2], *(row.replace("\t", "  ") for row in GAMRY_ROWS[2:])]
    (table,) = read([*GAMRY_HEAD, *gamry(rows)])
    check(table, ("Freq", "Zreal", "Zimag"))


def test_gamry_decimal_commas():
    rows = [row.replace(".", ",") for row in GAMRY_ROWS]
    (table,) = read([*GAMRY_HEAD, *gamry(rows)])
    check(table, ("Freq", "Zreal", "Zimag"))
    assert "decimal commas" in table.statements[0]


def test_gamry_several_tables():
    lines = [
        *gamry(GAMRY_ROWS, "OCVCURVE\tTABLE\t4"),
        "DCCALDATE\tLABEL\t1/1/2022\tDate",
    ]
    tables = read([*GAMRY_HEAD, *lines, *gamry(GAMRY_ROWS), *gamry(GAMRY_ROWS[:3])])
    assert [table.label for table in tables] == ["OCVCURVE", "ZCURVE 1", "ZCURVE 2"]
    assert [len(table) for table in tables] == [4, 4, 3]


def test_gamry_fewer_rows_than_announced_are_stated():
    (table,) = read([*GAMRY_HEAD, *gamry(GAMRY_ROWS, "CURVE\tTABLE\t5258")])
    assert "states 5258 rows, but the table has 4" in table.statements[-1]


def test_gamry_a_damaged_row_is_refused():
    rows = [*GAMRY_ROWS[:2], "\t2\t2\t10.0", *GAMRY_ROWS[3:]]
    with pytest.raises(
        DataError, match="line 9: expected 6 fields of the table ZCURVE"
    ):
        read([*GAMRY_HEAD, *gamry(rows)])


def test_gamry_without_a_table_is_refused():
    with pytest.raises(DataError, match=r"Gamry \.DTA file without a table"):
        read(GAMRY_HEAD)


def test_versastudio_segment():
    lines = [
        "<Application>",
        "Name=VersaStudio",
        "</Application>",
        "<Segment1>",
        "Type=2",
        "Definition=Segment #, Frequency(Hz), Z Real, Z Imag, 0",
        *(f"0,{f},{r},{x}" for f, r, x in SPECTRUM),
        "</Segment1>",
        "<Graph1>",
        "Type=1,2,3,4",
        "</Graph1>",
    ]
    (table,) = read(lines, "a.par")
    check(table, ("Frequency(Hz)", "Z Real", "Z Imag"))
    assert table.format == "VersaStudio .par"
    assert table.meta["Name"] == "VersaStudio"
    np.testing.assert_array_equal(table.lines, [7, 8, 9, 10])


def test_eco_chemie_numbers_on_single_lines():
    numbers = [f" {value}" for f, r, x in SPECTRUM for value in (f, r, -x, *[0.0] * 6)]
    lines = ["VERSION8.0", " 4", " 1", *numbers, " 1.0", "13.07.2022 22:32:00"]
    (table,) = read(lines, "a.dfr")
    np.testing.assert_allclose(table.columns, [FREQUENCY, REAL, -IMAGINARY])
    assert table.header[2] == "-Z'' (Ohm)"
    with pytest.raises(DataError, match="not a complete Eco Chemie"):
        read(lines[:20], "a.dfr")


def test_zplot_header_before_the_end_of_comments():
    lines = [
        "ZPLOT2 ASCII",
        "  Date:                       10-12-2018",
        "    vs Time-Total Time:       100",
        "  Null Configuration:         0,3,0,1,150000,1",
        "  Freq(Hz)\tAmpl\tZ'(a)\tZ''(b)\tRange",
        "End Comments",
        *(f"{f:E}\t1.0E-02\t{r:E}\t{x:E}\t4" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines, "a.z")
    check(table, ("Freq(Hz)", "Z'(a)", "Z''(b)"))
    assert table.meta["Date"] == "10-12-2018"


def test_autolab_header_in_one_quoted_field():
    lines = [
        '"Z60W Data File: Version 1.1"',
        '""',
        "0,2,0,1,0.1,10000",
        "4",
        "\"  Freq (Hz)    Ampl     Z'(a)    Z''(b)   Range\"",
        *(f"{f},0,{r},{x},0" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines)
    check(table, ("Freq (Hz)", "Z'(a)", "Z''(b)"))


def test_chi_commas_blanks_and_quotes_in_names():
    lines = [
        "Feb. 20, 2020   15:55:08",
        "A.C. Impedance",
        "Instrument Model:  CHI660E",
        "High Frequency (Hz) = 2e+6",
        "",
        "Freq/Hz, Z'/ohm, Z\"/ohm, Z/ohm, Phase/deg",
        "",
        *(f"{f:.3e}, {r:.3e}, {x:.3e}, 1.0e+0, -1.6" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines)
    assert table.format == "CHI text"
    np.testing.assert_allclose(table.columns[0], FREQUENCY)
    np.testing.assert_allclose(table.columns[2], IMAGINARY)


def test_maccor_impedance_has_more_names_than_fields():
    lines = [
        "MACCOR, INC.    AC Impedance Test",
        "Frequency Sweep:   Open Circut Voltage",
        "0.0005  2  0  0  0  0  0  10  1000  1",
        "",
        "Freq(Hz)\tZ'(a)\tZ''(b)\tStatus\tV-DC\tirg\tufl\t",
        "\t",
        *(f"{f}\t{r}\t{x}\t\t3.9" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines)
    check(table, ("Freq(Hz)", "Z'(a)", "Z''(b)"))
    assert table.header[-1] == "V-DC"


def test_relaxis_header_and_line_of_the_sample():
    lines = [
        "RelaxIS 3.0 Spectrum export",
        "Date: 12/16/2025 2:29:15 PM",
        "Data: Frequency\tData: Z'\tData: Z''",
        "DC=-0.08, TM=33.7\tModel: Unassigned\tcell 7",
        *(f"{f}\t{r}\t{x}" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines)
    check(table, ("Data: Frequency", "Data: Z'", "Data: Z''"))
    assert "cell 7" in table.label


def test_elchemea_prose_and_a_count_before_the_rows():
    lines = [
        "can be stored",
        "few lines",
        "",
        "4",
        *(f"{f} {r} {x}" for f, r, x in SPECTRUM),
    ]
    (table,) = read(lines, "a.i2b")
    np.testing.assert_allclose(table.columns, [FREQUENCY, REAL, IMAGINARY])
    assert table.header == ("", "", "")


def eclab(count, names="freq/Hz\tRe(Z)/Ohm\tIm(Z)/Ohm\t"):
    return [
        "EC-Lab ASCII FILE",
        f"Nb header lines : {count}                          ",
        "Acquisition started on : 04/29/2019 15:43:07.000",
        "Ns                  0                   1                   2",
        "Loop 0 from point number 0 to 3",
        "",
        names,
        *(f"{f:E}\t{r:E}\t{x:E}" for f, r, x in SPECTRUM),
    ]


@pytest.mark.parametrize("count", [7, 6, 9, 900])
def test_eclab_also_with_a_wrong_count_of_header_lines(count):
    (table,) = read(eclab(count), "a.mpt", "\r\n")
    check(table, ("freq/Hz", "Re(Z)/Ohm", "Im(Z)/Ohm"))
    assert table.format == "EC-Lab text"
    assert table.meta["Acquisition started on"] == "04/29/2019 15:43:07.000"
    assert table.meta["Loop 0"] == "from point number 0 to 3"


def test_eclab_header_without_its_first_column_is_refused():
    with pytest.raises(DataError, match="line 7: the header has 2 names"):
        read(eclab(7, "Re(Z)/Ohm\tIm(Z)/Ohm\t"), "a.mpt")


def test_novonix_header_after_the_mark_of_the_data():
    lines = [
        "[Summary]",
        "Novonix UHPC data file",
        "Mass (g): 1.000",
        "[End Summary]",
        "[Protocol]",
        '{"Version":"UHPC Control: 2.13.0","Charger":3}',
        "[End Protocol]",
        "[Data]",
        "Date and Time,Run Time (h),Current (A),Potential (V)",
        "2025-07-19 15:26:20,0.0000000,0.5,3.84",
        "2025-07-19 15:26:21,0.0003556,0.5,3.85",
    ]
    (table,) = read(lines, "a.csv")
    assert table.format == "Novonix csv"
    assert table.meta == {"Mass (g)": "1.000"}
    np.testing.assert_allclose(table.columns[3], [3.84, 3.85])


def test_maccor_head_line():
    lines = [
        "Today's Date 04/04/2016  Date of Test:\t03/31/2016\t Filename:\tC:\\a.001",
        "Rec#\tCyc#\tTest (Min)\tAmps\tVolts\tState\tDPt Time",
        "1\t0\t0.0000\t0.0\t3.30678264\tR\t03/31/2016 16:05:31",
        "2\t0\t0.1667\t0.0\t3.30571450\tR\t03/31/2016 16:05:41",
    ]
    (table,) = read(lines, "a.001")
    assert table.format == "Maccor text"
    assert table.meta["Date of Test"] == "03/31/2016"
    np.testing.assert_allclose(table.columns[4], [3.30678264, 3.30571450])
