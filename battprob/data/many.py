"""Read many files in parallel, collect the failures, and continue after a stop."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from battprob._errors import DataError
from battprob.data.cache import ResultCache
from battprob.data.paths import copies, files_in
from battprob.data.readers import Record, read_records, registered_reader
from battprob.data.timeseries import TimeSeries

_SMALL_BYTES = 20e6  # reading less takes no longer than to start worker processes


class FileFailure(NamedTuple):
    """A file that gave no result, and the reason in one line."""

    path: Path
    error: str

    def __str__(self):
        return (
            self.error if str(self.path) in self.error else f"{self.path}: {self.error}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class ManyFiles:
    """Results of `read_many`.

    Attributes:
        values: the result of each file, in the order of the files.
        failures: the files without a result; `pandas.DataFrame(failures)` is a table
            with the columns `path` and `error`.
        notes: records of different files that have the same name, one sentence each.
    """

    values: Mapping[Path, Any]
    failures: tuple[FileFailure, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self):
        return f"ManyFiles({len(self.values)} read, {len(self.failures)} failed)"

    @property
    def records(self) -> list[Any]:
        """Records of all files in one list, if each result is a sequence of records."""
        return [record for value in self.values.values() for record in value]


def as_cells(records: Sequence[Record]) -> tuple[Record, ...]:
    """Convert cycler logs to cells with `TimeSeries.to_cell`; keep other records."""
    return tuple(
        record.to_cell() if isinstance(record, TimeSeries) else record
        for record in records
    )


def read_many(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    transform: Callable[[tuple[Record, ...]], Any] = as_cells,
    read: Callable[[Path], Record | Sequence[Record]] | None = None,
    cache: str | PathLike[str] | None = None,
    num_workers: int | None = None,
    client: Any = None,
    progress: bool = True,
) -> ManyFiles:
    r"""Read thousands of files in parallel; a file that fails does not stop the others.

    Each worker reads one file at a time and returns only what `transform` makes of its
    records, so memory does not grow with the size of the logs. A file whose content
    equals that of an earlier file is not read again and is listed as a failure.

    Args:
        paths: files, or folders, which stand for all files in and below them.
        transform: function of the records of one file; its result is returned. Default:
            logs become cells without curves. With curves:
            `lambda logs: [log.to_cell(voltage_v=grid) for log in logs]`.
        read: function from a path to its records, such as
            `functools.partial(read_timeseries, charging_is_positive=False)`; default
            `read_file`.
        cache: folder for the result of each file (created if absent). A file that is
            not changed is not read again by a later call with the same `read`,
            `transform` and version of battprob. Changes of code that `transform` itself
            calls are not recognised: delete the folder then. The results are stored as
            pickles; use only folders that you trust.
        num_workers: number of processes on this machine; default one per core, or none
            (the files are read in this process) for less than 20 MB.
        client: `distributed.Client` of a Dask cluster, whose workers then read the
            files (`pip install battprob[dask]`). They need access to the same paths.
        progress: show a progress bar on a terminal.

    Returns:
        The results by path, and the failures.

    Raises:
        DataError: a path does not exist, or a worker process ended unexpectedly.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.csv").write_text("cycle,capacity_Ah\n1,1.08\n2,1.07\n")
        >>> _ = (folder / "b.csv").write_text("cycle,capacity_Ah\n1,x\n")
        >>> files = read_many(folder)
        >>> files.records
        [Cell('a', 2 cycles from 1 to 2, 0 curves, cycle_life=nan)]
        >>> [failure.path.name for failure in files.failures]
        ['b.csv']
    """
    files = files_in(paths)
    same = copies(files)
    to_read = [file for file in files if file not in same]
    store = None if cache is None else ResultCache(Path(cache), read, transform)
    jobs = [
        _Job(file, read or registered_reader(file), transform, store)
        for file in to_read
    ]
    results: dict[Path, _Result] = {
        file: _Result(error=f"not read, because its content equals that of {original}")
        for file, original in same.items()
    }
    with tqdm(total=len(jobs), unit="file", disable=None if progress else True) as bar:
        for file, result in _run(jobs, num_workers, client):
            results[file] = result
            bar.update()
    return ManyFiles(
        {file: results[file].value for file in files if results[file].error is None},
        tuple(
            FileFailure(file, error)
            for file in files
            if (error := results[file].error) is not None
        ),
        _name_collisions({file: results[file].value for file in to_read}),
    )


class _Result(NamedTuple):
    value: Any = None
    error: str | None = None


class _Job(NamedTuple):
    """One file to read; it is sent to a worker process, which has no registered readers."""

    file: Path
    reader: Callable[[Path], Record | Sequence[Record]] | None
    transform: Callable[[tuple[Record, ...]], Any]
    cache: ResultCache | None


def _read_one(job: _Job) -> tuple[Path, _Result]:
    # Also a reader of the user may fail in any way; one file must not stop the others.
    try:
        if job.cache is None:
            return job.file, _Result(job.transform(read_records(job.file, job.reader)))
        value = job.cache.get_or_compute(
            job.file, lambda: job.transform(read_records(job.file, job.reader))
        )
        return job.file, _Result(value)
    except Exception as error:
        kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
        return job.file, _Result(error=kind + " ".join(str(error).split()))


def _run(jobs, num_workers, client) -> Iterator[tuple[Path, _Result]]:
    if client is not None:
        return _run_on_cluster(jobs, client)
    if num_workers is None:
        num_bytes = sum(job.file.stat().st_size for job in jobs)
        num_workers = 1 if num_bytes < _SMALL_BYTES else -1
    if num_workers == 1 or len(jobs) < 2:
        return map(_read_one, jobs)
    return _run_in_processes(jobs, num_workers)


def _run_in_processes(jobs, num_workers) -> Iterator[tuple[Path, _Result]]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel: Any = Parallel(n_jobs=num_workers, return_as="generator_unordered")
    try:
        yield from parallel(delayed(_read_one)(job) for job in jobs)
    except TerminatedWorkerError as error:
        raise DataError(
            "a worker process ended while it read a file, perhaps because the memory was "
            "full: call read_many with fewer num_workers, and with cache=FOLDER to keep "
            "the files that are finished"
        ) from error


def _run_on_cluster(jobs, client):
    from distributed import as_completed

    # `pure=False`: the same path may have a new content.
    futures = {
        future: job.file
        for job, future in zip(
            jobs, client.map(_read_one, jobs, pure=False), strict=True
        )
    }
    for future in as_completed(list(futures)):
        try:
            yield future.result()
        except Exception as error:  # the worker was lost
            message = f"{type(error).__name__}: {error}"
            yield futures[future], _Result(error=" ".join(message.split()))
        future.release()


def _name_collisions(values: Mapping[Path, Any]) -> tuple[str, ...]:
    first: dict[str, Path] = {}
    notes = []
    for file, value in values.items():
        for record in value if isinstance(value, tuple | list) else ():
            if not isinstance(record, Record):
                continue
            other = first.setdefault(record.name, file)
            if other != file:
                notes.append(f"{other} and {file} both have a record {record.name!r}")
    return tuple(notes)
