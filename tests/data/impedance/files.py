"""Text of files with one spectrum in the formats of instruments."""

import numpy as np

FREQUENCY = np.array([1000.0, 100.0, 0.5])
TRUE = np.array([10 - 2j, 20 + 1j, 25 - 8j])


def rows(*columns, delimiter="\t", start=""):
    """Lines of a table."""
    lines = (delimiter.join(map(str, row)) for row in zip(*columns, strict=True))
    return "".join(f"{start}{line}\n" for line in lines)


def gamry(num_tables=1):
    """Gamry .DTA with a record of the open circuit before the spectra."""
    table = rows(range(3), FREQUENCY, TRUE.real, TRUE.imag, start="\t")
    drift = "OCVCURVE\tTABLE\t1\n\tPt\tT\tVf\n\t#\ts\tV\n\t0\t1\t-0.3\n"
    curve = f"ZCURVE\tTABLE\n\tPt\tFreq\tZreal\tZimag\n\t#\tHz\tohm\tohm\n{table}"
    return f"EXPLAIN\nTAG\tEISPOT\n{drift}{num_tables * curve}EXPERIMENTABORTED\tT\n"


def zplot():
    """ZPlot .z, separated by tabs."""
    names = "  Freq(Hz)\tAmpl\tBias\tTime(Sec)\tZ'(a)\tZ''(b)\tGD\tErr\tRange\n"
    zero = np.zeros(3)
    table = rows(FREQUENCY, zero, zero, zero, TRUE.real, TRUE.imag, zero, zero, zero)
    return f"ZPLOT2 ASCII\n  Data Points:   3\n{names}End Comments\n{table}"


def zplot_quoted():
    """ZPlot .z of an older version: quoted names, numbers separated by commas."""
    names = "\"  Freq(Hz)    Ampl     Time(Sec)   Z'(a)    Z''(b)    GD   Err\"\n"
    zero = np.zeros(3)
    table = rows(
        FREQUENCY, zero, zero, TRUE.real, TRUE.imag, zero, zero, delimiter=", "
    )
    return f'"ZPlotW Data File: Version 3.2c"\n"Raw Data"\n{names}{table}'


def ec_lab(*, comma=False, num_sweeps=1, frequency=FREQUENCY):
    """EC-Lab .mpt with sweeps of one cycle number, or of several."""
    names = "freq/Hz\tRe(Z)/Ohm\t-Im(Z)/Ohm\t|Z|/Ohm\tRe(Y)/Ohm-1\tcycle number\t\n"
    size = np.abs(TRUE)
    table = "".join(
        rows(frequency, TRUE.real, -TRUE.imag, size, 1 / size, np.full(3, cycle))
        for cycle in range(1, num_sweeps + 1)
    )
    table = table.replace(".", ",") if comma else table
    head = "Nb header lines : 5    \n\nArea : 0.001 cm²\n"
    return f"EC-Lab ASCII FILE\n{head}{names}{table}"


def plain(names="frequency_hz,re_ohm,im_ohm", scale=(1, 1, 1), delimiter=","):
    """Three columns with or without a header line."""
    columns = (FREQUENCY, TRUE.real, TRUE.imag)
    scaled = (factor * column for factor, column in zip(scale, columns, strict=True))
    return (names + "\n" if names else "") + rows(*scaled, delimiter=delimiter)
