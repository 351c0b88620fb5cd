"""Checks of a spectrum against itself: sign of Im Z, unit of a phase, modulus.

The real and the imaginary part of an impedance determine each other (Kramers-Kronig
relations). If the sign of the imaginary part is wrong, no passive or active system has
such a spectrum, whatever its circuit. A measurement model therefore fits the spectrum
or its complex conjugate, but not both: Z(ω) = R + jωL + 1/(jωC) + Σ Rₖ/(1 + jωτₖ) with
fixed time constants τₖ and coefficients of any sign (Boukamp, J. Electrochem. Soc. 142,
1885 (1995), doi:10.1149/1.2044210, eq. 6-10). Coils and capacitors with a constant real
part are fitted in both cases: then the ratio of the residuals is near 1.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float

from battprob._errors import DataError
from battprob.data.impedance.columns import ImpedanceColumns, numbers
from battprob.data.impedance.quantities import MODULUS, PHASE, REAL
from battprob.data.tables.table import RawTable

_FEWEST = 6  # frequencies; with fewer, the model fits noise
_PER_DECADE = 4  # time constants; measured spectra are then fitted to their noise
_CLEAR = 10.0  # ratio of squared residuals; 220 measured spectra have 500 to 10⁶
_SAME = 0.05  # of the modulus: columns rounded to two digits agree
_SMALLEST_PHASE = 0.005  # rad; the sign of a smaller phase may be noise


def squared_residuals(
    frequency_hz: Float[np.ndarray, " f"], impedances_ohm: Complex[np.ndarray, "k f"]
) -> Float[np.ndarray, " k"]:
    """Squared relative residuals of fits of the measurement model.

    Args:
        frequency_hz: frequencies in Hz, in any order; repetitions are allowed.
        impedances_ohm: spectra with the same modulus, such as Z and its conjugate.

    Returns:
        One sum for each spectrum; NaN for fewer than six frequencies.
    """
    omega = 2 * np.pi * frequency_hz
    low, high = omega.min(), omega.max()
    distinct = len(np.unique(frequency_hz))
    size = np.tile(np.abs(impedances_ohm[0]), 2)
    if distinct < _FEWEST or size.min() == 0:
        return np.full(len(impedances_ohm), np.nan)
    count = round(_PER_DECADE * np.log10(high / low))
    tau = np.geomspace(1 / high, 1 / low, max(2, min(distinct // 2, count)))
    s = 1j * omega[:, None]
    # ImpedanceColumns of the order of 1, so that the cut-off of small singular values is fair.
    terms = np.hstack([np.ones_like(s), s / high, low / s, 1 / (1 + s * tau)])
    matrix = np.vstack([terms.real, terms.imag]) / size[:, None]
    scaled = np.hstack([np.real(impedances_ohm), np.imag(impedances_ohm)]) / size
    solutions = np.linalg.lstsq(matrix, scaled.T, rcond=1e-8)[0]
    residuals = np.sum((scaled.T - matrix @ solutions) ** 2, axis=0)
    # Rounding of files with six digits: without it, exact spectra would give 0/0.
    return residuals + 1e-12 * len(size)


def sign_is_reversed(
    frequency_hz: Float[np.ndarray, " f"], impedance_ohm: Complex[np.ndarray, " f"]
) -> bool | None:
    """Whether the imaginary part has the wrong sign; None if both are possible."""
    both = np.stack([impedance_ohm, impedance_ohm.conj()])
    as_is, conjugate = squared_residuals(frequency_hz, both)
    if conjugate * _CLEAR < as_is:
        return True
    return False if as_is * _CLEAR < conjugate else None


def phase_factor(
    path: Path,
    frequency_hz: Float[np.ndarray, " f"],
    modulus_ohm: Float[np.ndarray, " f"],
    phase: Float[np.ndarray, " f"],
) -> tuple[float, str]:
    """Factor from the unit of a phase without unit to degrees, and its statement.

    Raises:
        DataError: the values could be degrees or radians.
    """
    if np.abs(phase).max() > np.pi:
        return 1.0, "phase taken as degrees: values exceed π, and the file has no unit"
    angles = np.stack([np.deg2rad(phase), -np.deg2rad(phase), phase, -phase])
    residuals = squared_residuals(frequency_hz, modulus_ohm * np.exp(1j * angles))
    degrees, radians = residuals.reshape(2, 2).min(axis=1)
    reason = (
        ": the file has no unit, and only this one agrees with the change of the "
        "modulus with frequency (Kramers-Kronig relations)"
    )
    if degrees * _CLEAR < radians:
        return 1.0, "phase taken as degrees" + reason
    if radians * _CLEAR < degrees:
        return float(np.rad2deg(1.0)), "phase taken as radians" + reason
    raise DataError(
        f"{path}: the phase has no unit, and its values could be degrees or radians; "
        "write the unit into the header, as in 'phase/deg'"
    )


def refuse_polar(
    path: Path,
    frequency_hz: Float[np.ndarray, " f"],
    impedance_ohm: Complex[np.ndarray, " f"],
) -> None:
    """Compare both meanings of two columns without header: Re and Im, |Z| and phase.

    Raises:
        DataError: only modulus and phase in degrees agree with each other.
    """
    modulus, phase = np.real(impedance_ohm), np.deg2rad(np.imag(impedance_ohm))
    if modulus.min() <= 0 or np.abs(phase).max() > np.pi:
        return
    polar = modulus * np.exp(1j * phase)
    residuals = [
        squared_residuals(frequency_hz, np.stack([one, one.conj()])).min()
        for one in (polar, impedance_ohm)
    ]
    if residuals[0] * _CLEAR < residuals[1]:
        raise DataError(
            f"{path} has no header, and its columns seem to be modulus and phase, not "
            "real and imaginary part; add a header line, such as 'freq/Hz,|Z|/Ohm,"
            "phase/deg'"
        )


def refuse_contradictions(
    table: RawTable,
    columns: ImpedanceColumns,
    rows: np.ndarray,
    impedance_ohm: np.ndarray,
) -> None:
    """Compare the impedance with columns of the modulus and of the real part.

    Raises:
        DataError: most rows differ by more than 5 % of the modulus.
    """
    kind = REAL if columns.polar else MODULUS
    size = np.abs(impedance_ohm)
    expected = np.real(impedance_ohm) if columns.polar else size
    for column in columns.others:
        if column.quantity.kind != kind:
            continue
        values = numbers(table, column)[rows]
        # Software writes 0 into columns that it does not fill.
        known = (values != 0) & np.isfinite(values) & (size > 0)
        if not known.any():
            continue
        difference = np.abs(values[known] - expected[known]) / size[known]
        if np.median(difference) > _SAME:
            row = int(np.flatnonzero(known)[np.argmax(difference > _SAME)])
            raise DataError(
                f"{table.location(int(rows[row]))}: columns {columns.first.name!r} and "
                f"{columns.second.name!r} give a {kind} of {expected[row]:.5g} ohm, "
                f"but column {column.name!r} has {values[row]:.5g} ohm; correct the "
                "header, or name the columns, as in read_spectra(path, real_ohm='Zr', "
                "imaginary_ohm='Zi'), to use them without this check"
            )


def sign_of_phase(
    table: RawTable, columns: ImpedanceColumns, rows: np.ndarray
) -> tuple[str, np.ndarray] | None:
    """Name of a column of the phase, and its signs (0: unknown) in these rows [r]."""
    for column in columns.others:
        if column.quantity.kind == PHASE and not columns.polar:
            phase = numbers(table, column)[rows]
            # A phase without unit in radians would lie below this limit in degrees.
            signs = np.where(np.abs(np.deg2rad(phase)) > _SMALLEST_PHASE**2, phase, 0)
            return column.name, np.sign(np.nan_to_num(signs))
    return None


def opposite(signs: np.ndarray, impedance_ohm: np.ndarray) -> bool:
    """Whether a column of the phase has the opposite sign of most imaginary parts."""
    imaginary = np.imag(impedance_ohm)
    known = (signs != 0) & (np.abs(imaginary) > _SMALLEST_PHASE * np.abs(impedance_ohm))
    if not known.any():
        return False
    return bool(np.mean(np.sign(imaginary[known]) != signs[known]) > 0.9)
