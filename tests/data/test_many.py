"""Many files: failures do not stop the rest, finished files are not read again."""

import functools
import os
import pathlib

import pytest

from battprob import DataError
from battprob.data import Cell, TimeSeries, readers, register_reader
from battprob.data.many import read_many


@pytest.fixture(autouse=True)
def _no_registered_readers(monkeypatch):
    monkeypatch.setattr(readers, "_REGISTERED", {})


def make_reader(calls: pathlib.Path):
    """A reader of capacities, which notes in a file that it was called."""

    def read(path):
        with calls.open("a") as file:
            file.write(f"{path.name}\n")
        capacity_ah = [float(text) for text in path.read_text().split()]
        if capacity_ah[0] < 0:
            raise DataError(f"{path}, line 1: negative capacity\n(second line)")
        return [Cell(path.stem, range(1, len(capacity_ah) + 1), capacity_ah)]

    return read


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {"a": "1.0 0.9", "b": "2.0", "bad": "-1", "ugly": "x"}.items():
        (folder / f"{name}.q").write_text(text)
    return folder


def check(files, folder):
    assert [cell.name for cell in files.records] == ["a", "b"]
    assert list(files.values) == [folder / "a.q", folder / "b.q"]
    bad, ugly = files.failures
    assert bad.path == folder / "bad.q"
    assert bad.error == f"{folder / 'bad.q'}, line 1: negative capacity (second line)"
    assert ugly.error.startswith("ValueError: could not convert")
    assert repr(files) == "ManyFiles(2 read, 2 failed)"


def test_failures_are_collected(folder, tmp_path):
    check(read_many(folder, read=make_reader(tmp_path / "calls")), folder)


def test_processes_use_the_readers_registered_in_this_process(folder, tmp_path):
    register_reader(".q")(make_reader(tmp_path / "calls"))
    check(read_many(folder, num_workers=2), folder)


def test_dask_cluster(folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        reader = make_reader(tmp_path / "calls")
        check(read_many(folder, read=reader, client=client), folder)


def test_finished_files_are_not_read_again(folder, tmp_path):
    calls, cache = tmp_path / "calls", tmp_path / "cache"
    first = functools.partial(read_many, folder, read=make_reader(calls), cache=cache)
    check(first(), folder)
    check(first(), folder)
    names = calls.read_text().split()
    assert sorted(names) == ["a.q", "b.q", "bad.q", "bad.q", "ugly.q", "ugly.q"]
    assert not list(cache.glob("*.part"))


def test_a_changed_file_transform_or_damaged_result_is_computed_again(folder, tmp_path):
    calls, cache = tmp_path / "calls", tmp_path / "cache"
    path = folder / "a.q"

    def capacity(records, cycle):
        return records[0].capacity_ah[cycle]

    def first(cycle):
        transform = functools.partial(capacity, cycle=cycle)
        files = read_many(
            path, read=make_reader(calls), cache=cache, transform=transform
        )
        return files.values[path]

    assert (first(0), first(1), first(0)) == (1.0, 0.9, 1.0)
    path.write_text("1.5 0.9")
    os.utime(path, ns=(1, 1))
    assert first(0) == 1.5
    for entry in cache.iterdir():
        entry.write_bytes(b"\x80\x05")
    assert first(0) == 1.5
    assert len(calls.read_text().split()) == 4


def test_a_copy_of_a_file_is_named(folder, tmp_path):
    (folder / "copy.q").write_text("1.0 0.9")
    files = read_many(folder, read=make_reader(tmp_path / "calls"))
    assert [cell.name for cell in files.records] == ["a", "b"]
    (copy,) = [f for f in files.failures if f.path.name == "copy.q"]
    assert "content equals that of" in copy.error
    assert str(folder / "a.q") in copy.error


def test_records_of_one_name_are_stated_with_both_files(folder, tmp_path):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.q").write_text("3.0")
    files = read_many(folder, read=make_reader(tmp_path / "calls"))
    assert files.notes == (
        f"{folder / 'a.q'} and {folder / 'sub' / 'a.q'} both have a record 'a'",
    )


def test_logs_become_cells(tmp_path):
    def read(path):
        return TimeSeries(path.stem, [0, 3600], [4.0, 3.0], [-1, -1], [1, 1])

    (tmp_path / "a.x").write_text("")
    (cell,) = read_many(tmp_path, read=read).records
    assert isinstance(cell, Cell)
    (log,) = read_many(tmp_path, read=read, transform=tuple).records
    assert isinstance(log, TimeSeries)
