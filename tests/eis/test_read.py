"""Spectra are read by column name, signs put right, and bad rows named."""

import numpy as np
import pytest

from battprob.eis import read_spectrum


@pytest.mark.parametrize(
    "text",
    [
        "freq_hz,re_ohm,im_ohm\n10,1,-0.5\n1,2,-0.7\n",
        "10,1,-0.5\n1,2,-0.7\n",
        "freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n10,1,0.5\n1,2,0.7\n",
        "\ufeffspectrum, Freq, Zreal, Zimag\na,10,1,-0.5\na,1,2,-0.7\n",
    ],
)
def test_columns(tmp_path, text):
    path = tmp_path / "spectrum.csv"
    path.write_text(text, encoding="utf-8")
    frequency, impedance = read_spectrum(path)
    np.testing.assert_array_equal(frequency, [10, 1])
    np.testing.assert_array_equal(impedance, [1 - 0.5j, 2 - 0.7j])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b,c\n1,2,3\n", "needs columns freq_hz, re_ohm and im_ohm"),
        ("freq_hz,re_ohm,im_ohm\n10,1,-0.5\n1,x,-0.7\n", "row 3: not three numbers"),
    ],
)
def test_errors(tmp_path, text, message):
    path = tmp_path / "spectrum.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_spectrum(path)
