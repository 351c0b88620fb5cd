"""Folders are expanded, and files with the same content are found."""

import pytest

from battprob import DataError
from battprob.data.paths import copies, files_in


def test_a_folder_stands_for_the_files_in_and_below_it(tmp_path):
    for name in ("b.csv", "a.csv", ".hidden", "sub/c.001", ".git/x"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    files = files_in([tmp_path / "b.csv", tmp_path])
    assert [str(f.relative_to(tmp_path)) for f in files] == [
        "b.csv",
        "a.csv",
        "sub/c.001",
    ]


def test_missing_paths_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no file .*x\.csv"):
        files_in(tmp_path / "x.csv")
    with pytest.raises(DataError, match="has no files"):
        files_in([tmp_path])
    with pytest.raises(DataError, match="got none"):
        files_in([])


def test_copies_are_files_of_equal_content(tmp_path):
    contents = {"a": "1 2", "b": "1 3", "c": "1 2", "d": "1 2 "}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    assert copies(tmp_path / name for name in "abcd") == {
        tmp_path / "c": tmp_path / "a"
    }
