"""Texts of any usual encoding and line end become the same UTF-8 text."""

from pathlib import Path

import pytest

from battprob import DataError
from battprob.data.tables.encoding import decode

TEXT = "Time / s;T / °C\n0;25\n1;26\n"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"],
)
def test_encodings(encoding):
    text = decode(Path("a.csv"), TEXT.encode(encoding))
    assert text.buffer.decode() == TEXT


def test_a_code_page_is_stated():
    (statement,) = decode(Path("a.csv"), TEXT.encode("cp1252")).statements
    assert "Windows code page 1252" in statement


def test_chinese_text_is_not_read_as_a_western_code_page():
    text = decode(Path("a.csv"), "循环序号,电流(A)\n1,2\n".encode("gb18030"))
    assert text.buffer.decode().startswith("循环序号,电流(A)")


def test_a_micro_sign_before_a_letter_is_not_chinese():
    text = decode(Path("a.csv"), "Current(µA),Q(µAh)\n1,2\n".encode("cp1252"))
    assert "Current(µA),Q(µAh)" in text.buffer.decode()


@pytest.mark.parametrize("end", ["\r", "\r\r\n"])
def test_unusual_line_ends_become_line_feeds(end):
    text = decode(Path("a.csv"), TEXT.replace("\n", end).encode())
    assert text.buffer.decode() == TEXT


def test_windows_line_ends_are_kept():
    raw = TEXT.replace("\n", "\r\n").encode()
    assert decode(Path("a.csv"), raw).buffer == raw


def test_a_file_cut_within_a_character():
    raw = "V,I\n1,2\n3,4 °".encode()[:-1]
    assert decode(Path("a.csv"), raw).buffer == b"V,I\n1,2\n3,4 "


@pytest.mark.parametrize("raw", [b"V,I\n1,\0\n2,3\n", bytes(range(256)) * 20])
def test_binary_content_is_refused(raw):
    with pytest.raises(DataError, match=r"a\.csv is a binary file of unknown format"):
        decode(Path("a.csv"), raw)


def test_zero_bytes_after_the_text_are_left_out_and_stated():
    text = decode(Path("a.csv"), b"V,I\n1,2\n\0\0\0")
    assert text.buffer == b"V,I\n1,2\n"
    assert text.statements == ("the file ends in 3 zero bytes, which were left out",)
