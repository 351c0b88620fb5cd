"""Formats are recognised by their first bytes, then by their names; never printed."""

import zipfile

import pytest

from battprob import DataError
from battprob.data.tables.arbin_res import read_arbin_res
from battprob.data.tables.binary import binary_reader
from battprob.data.tables.biologic_mpr import read_biologic_mpr
from battprob.data.tables.hdf5 import read_hdf5
from battprob.data.tables.neware_binary import read_neware_binary
from battprob.data.tables.parquet import read_feather, read_parquet
from battprob.data.tables.workbook import read_workbook
from tests.data.tables.workbook import write_workbook

_NOISE = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("head", "reader"),
    [
        (b"\0\1\0\0Standard Jet DB\0", read_arbin_res),
        (b"\0\1\0\0Standard ACE DB\0", read_arbin_res),
        (b"BIO-LOGIC MODULAR FILE\x1a", read_biologic_mpr),
        (b"NEWARE", read_neware_binary),
        (b"PAR1", read_parquet),
        (b"ARROW1\0\0", read_feather),
        (b"\x89HDF\r\n\x1a\n", read_hdf5),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", read_workbook),
    ],
)
@pytest.mark.parametrize("name", ["cell.csv", "cell"])
def test_the_first_bytes_decide(tmp_path, head, reader, name):
    assert binary_reader(tmp_path / name, head + _NOISE) is reader


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x1f\x8b\x08", "a gzip archive; unpack it"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"MATLAB 7.3 MAT-file", "read_matr"),
        (b"\x09\x04\x06\x00\x00\x00\x10\x00", "Excel file of version 4"),
    ],
)
def test_formats_that_cannot_be_read_are_refused_by_name(tmp_path, head, words):
    path = tmp_path / "cell.csv"
    message = _refusal(path, head + _NOISE)
    assert words in message


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        (".res", "an Arbin .res file"),
        (".mpr", "a BioLogic .mpr file"),
        (".nda", "a Neware .nda file"),
        (".xlsx", "an Excel workbook"),
        (".h5", "an HDF5 file"),
        (".idf", "Ivium .idf"),
        (".ism", "Zahner .ism"),
        (".nox", "NOVA"),
    ],
)
def test_noise_is_refused_by_the_name_of_the_file(tmp_path, suffix, words):
    assert words in _refusal(tmp_path / f"cell{suffix}", _NOISE)


def _refusal(path, content):
    path.write_bytes(content)
    reader = binary_reader(path, content[:8192])
    with pytest.raises(DataError) as error:
        reader(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message


@pytest.mark.parametrize("suffix", [".xls", ".res", ".csv", ".txt", ".mpr"])
def test_text_is_left_to_the_reader_of_text(tmp_path, suffix):
    head = b"Time\tVoltage\n0\t4.0\n"
    assert binary_reader(tmp_path / f"cell{suffix}", head) is None
    wide = "Time\tVoltage".encode("utf-16")
    assert binary_reader(tmp_path / f"cell{suffix}", wide) is None


def test_noise_under_an_unknown_name_is_left_to_the_caller(tmp_path):
    assert binary_reader(tmp_path / "cell.xyz", _NOISE) is None


def test_a_workbook_under_the_name_of_a_text_file(tmp_path):
    path = write_workbook(tmp_path / "cell.csv", {"a": [["t", "U"], [0, 1], [1, 2]]})
    (table,) = binary_reader(path, path.read_bytes()[:8192])(path)
    assert table.columns[1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("member", "words"),
    [("a.csv", "zip archive of 1 files"), ("word/x.xml", "Word"), ("a.npy", "npz")],
)
def test_zip_archives_are_distinguished_by_their_members(tmp_path, member, words):
    path = tmp_path / "cell.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "x")
    assert words in _refusal(path, path.read_bytes())


def test_neware_archive(tmp_path):
    pytest.importorskip("fastnda")
    path = tmp_path / "cell.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.ndc", "x")
    assert "this Neware .ndax file" in _refusal(path, path.read_bytes())


def test_a_zip_archive_that_was_cut(tmp_path):
    assert "an Excel workbook" in _refusal(tmp_path / "a.xlsx", b"PK\3\4" + _NOISE)
