"""Fit and test spectra from files, and write one table of fitted parameters."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from tqdm import tqdm

from battprob._errors import DataError
from battprob._typing import Complex, Float, PRNGKey
from battprob.data.impedance.read import SpectrumOptions, read_spectra
from battprob.data.readers import read_file, registered_reader
from battprob.data.spectra import Spectrum
from battprob.eis.circuit import Circuit
from battprob.eis.consistency import KramersKronig, kramers_kronig
from battprob.eis.drt import DRT
from battprob.eis.posterior import CircuitPosterior

_SUFFIXES = {
    *(".csv", ".txt", ".tsv", ".dat", ".asc", ".xlsx", ".xls", ".ods"),
    *(".dta", ".z", ".mpt", ".mpr", ".par", ".i2b", ".dfr", ".ism", ".idf", ".ids"),
    *(".pssession", ".p00"),
}
_NUMBERED = re.compile(r"\.\d{3}")  # Maccor numbers its files in the suffix


def spectra_of_files(
    paths: Iterable[str | PathLike[str]], **options: Unpack[SpectrumOptions]
) -> list[Spectrum]:
    """Read the spectra of files and of all files in folders, ordered by file name.

    Args:
        paths: files, or folders of files. Of a folder, files with the usual suffixes of
            spectra are read (`.csv`, `.txt`, `.DTA`, `.z`, `.mpt`, `.mpr`, `.xlsx`, …)
            and those registered with `battprob.data.register_reader`. A file that is
            given twice is read once.
        **options: names of columns, sign of Im Z and other arguments of
            `battprob.data.read_spectra`; not used by registered readers.

    Raises:
        DataError: there is no file, or one cannot be read (the message names the file
            and the line).
    """
    files: dict[Path, Path] = {}
    for path in paths:
        for file in _files(Path(path)):
            files.setdefault(file.resolve(), file)
    return [spectrum for file in files.values() for spectrum in _read(file, options)]


def _read(file, options):
    if registered_reader(file) is None:
        return read_spectra(file, **options)
    spectra = [record for record in read_file(file) if isinstance(record, Spectrum)]
    if not spectra:
        raise DataError(f"{file}: expected a file of spectra; its reader returns cells")
    return spectra


def fit_spectra(
    model: Circuit | DRT, spectra: Sequence[Spectrum], *, key: PRNGKey
) -> list[Any]:
    """Posteriors of spectra; those with the same frequencies are fitted together.

    Shows a progress bar on a terminal.

    Args:
        model: circuit or distribution of relaxation times, with its error model.
        spectra: spectra to fit.
        key: PRNG key.

    Raises:
        DataError: as in `model.fit`; the message begins with the name of a spectrum.
    """
    fitted: dict[int, Any] = {}
    with tqdm(total=len(spectra), unit="spectrum", disable=None) as bar:
        for rows, frequency, impedance in by_frequencies(spectra):
            with _named(spectra[rows[0]]):
                batch = model.fit(frequency, impedance, key=key)
            fitted |= {i: batch[index] for index, i in enumerate(rows)}
            bar.update(len(rows))
    return [fitted[i] for i in range(len(spectra))]


def check_spectra(
    spectra: Sequence[Spectrum], *, admittance: bool = False
) -> list[tuple[list[int], KramersKronig]]:
    """Kramers-Kronig tests of groups of spectra with the same frequencies.

    Args:
        spectra: spectra to test.
        admittance: as in `kramers_kronig`.

    Returns:
        for each group the indices of its spectra, and the result of the test.
    """
    results = []
    for rows, frequency, impedance in by_frequencies(spectra):
        with _named(spectra[rows[0]]):
            result = kramers_kronig(frequency, impedance, admittance=admittance)
        results.append((rows, result))
    return results


def by_frequencies(
    spectra: Sequence[Spectrum],
) -> Iterator[tuple[list[int], Float[np.ndarray, " f"], Complex[np.ndarray, "n f"]]]:
    """Groups of spectra with the same frequencies: indices, frequencies, impedances."""
    groups: dict[bytes, list[int]] = {}
    for i, spectrum in enumerate(spectra):
        groups.setdefault(spectrum.frequency_hz.tobytes(), []).append(i)
    for rows in groups.values():
        impedance = np.stack([spectra[i].impedance_ohm for i in rows])
        yield rows, spectra[rows[0]].frequency_hz, impedance


@contextmanager
def _named(spectrum):
    """Put the name of the spectrum before the message of an error."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{spectrum.name}: {error}") from error


def write_table(
    path: str | PathLike[str],
    spectra: Sequence[Spectrum],
    posteriors: Sequence[CircuitPosterior],
) -> None:
    """Write fitted parameters to a CSV file, one row for each spectrum.

    Args:
        path: CSV file to write. Each parameter has a value, a standard deviation and
            whether it is identified; the header has the units. The last column is true
            if the residuals are correlated over frequency (misfit).
        spectra: spectra, for their names.
        posteriors: fits of the same circuit to them.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["spectrum", *_header(posteriors[0]), "misfit"])
        for spectrum, posterior in zip(spectra, posteriors, strict=True):
            values = posterior.parameters.to_dict().values()
            row = [value.item() for value in values]
            writer.writerow([spectrum.name, *row, bool(posterior.misfitting)])


def _files(path):
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if _is_readable(p))
        if not files:
            raise DataError(
                f"no spectra in the folder {path}: expected files {sorted(_SUFFIXES)}"
            )
        return files
    if not path.is_file():
        raise DataError(f"no file {path}")
    return [path]


def _is_readable(path):
    suffix = path.suffix.lower()
    return (
        suffix in _SUFFIXES
        or _NUMBERED.fullmatch(suffix) is not None
        or registered_reader(path) is not None
    )


def _header(posterior):
    table = posterior.parameters
    units = dict(zip(table.names, table.units, strict=True))
    for column in table.to_dict():
        name = column.removesuffix("_sd").removesuffix("_identified")
        unit = "" if column.endswith("_identified") else units[name]
        yield f"{column} ({unit})" if unit else column
