"""Sign of the imaginary part of a spectrum: accepted, reversed or refused."""

import numpy as np

from battprob._errors import DataError
from battprob.data.impedance.columns import ImpedanceColumn
from battprob.data.impedance.consistency import opposite, sign_is_reversed

_MOST = 0.9  # of the frequencies; the others may be inductive or noise
_OPTION = "battprob eis and features: --imaginary-sign"
_FEWEST = 3  # frequencies; one or two may be inductive


def signed(
    place: object,
    column: ImpedanceColumn,
    frequency_hz: np.ndarray,
    impedance_ohm: np.ndarray,
    phase: tuple[str, np.ndarray] | None,
    choice: str | None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Impedance whose imaginary part has the correct sign, and statements.

    Args:
        place: file and spectrum, for error messages.
        column: column of the imaginary part or of the phase.
        frequency_hz, impedance_ohm: the spectrum as the header of the file states it.
        phase: name and signs of a column of the phase, if there is one besides.
        choice: "reverse" or "keep" by the caller; None: decided here.

    Raises:
        DataError: Im Z has the wrong sign, or is positive at nearly all frequencies
            without confirmation by Re Z; or Re Z is negative at nearly all frequencies.
    """
    if choice == "reverse":
        return impedance_ohm.conj(), ("sign of Im Z reversed, as the caller chose",)
    if choice == "keep":
        return impedance_ohm, ("sign of Im Z as in the file, as the caller chose",)
    if choice is not None:
        raise DataError(
            f"imaginary_sign must be 'reverse', 'keep' or None; got {choice!r}"
        )
    count = len(frequency_hz)
    _refuse_negative_real(place, impedance_ohm)
    positive = int(np.count_nonzero(np.imag(impedance_ohm) > 0))
    other_sign = phase is not None and opposite(phase[1], impedance_ohm)
    if positive < min(2, count) and not other_sign:
        return impedance_ohm, ()
    is_reversed = sign_is_reversed(frequency_hz, impedance_ohm)
    if phase is not None and other_sign:
        return _by_phase(place, column, phase[0], impedance_ohm, is_reversed)
    if is_reversed or (is_reversed is None and _mostly(positive, count)):
        raise _wrong_sign(place, column, positive, count)
    if positive == count:
        reason = "as in a coil" if is_reversed is False else "which may be the sign"
        return impedance_ohm, (f"Im Z is positive at all frequencies, {reason}",)
    return impedance_ohm, ()


def _refuse_negative_real(place, impedance_ohm):
    """Refuse spectra whose real part is negative at nearly all frequencies."""
    count = len(impedance_ohm)
    negative = int(np.count_nonzero(np.real(impedance_ohm) < 0))
    if _mostly(negative, count):
        where = "all" if negative == count else f"{negative} of {count}"
        raise DataError(
            f"{place}: Re Z is negative at {where} frequencies, but that of a cell is "
            "positive: correct the sign of the column or the order of the columns, or "
            f"accept it with imaginary_sign='keep' ({_OPTION} keep)"
        )


def _mostly(positive, count):
    return count >= _FEWEST and positive >= _MOST * count


def _by_phase(place, column, name, impedance, is_reversed):
    if is_reversed is None:
        raise DataError(
            f"{place}: columns {column.name!r} and {name!r} have opposite signs, and "
            "one of them must be wrong; choose imaginary_sign='keep' or 'reverse' "
            f"({_OPTION} reverse) for the sign of Im Z"
        )
    if is_reversed:
        return impedance.conj(), (
            f"sign of column {column.name!r} reversed: column {name!r} has the "
            "opposite sign, which agrees with Re Z (Kramers-Kronig relations)",
        )
    return impedance, (
        f"column {name!r} has the opposite sign of Im Z and is not used; Im Z agrees "
        "with Re Z (Kramers-Kronig relations)",
    )


def _wrong_sign(place, column, positive, count):
    where = "all" if positive == count else f"{positive} of {count}"
    return DataError(
        f"{place}: Im Z (column {column.name!r}) is positive at {where} frequencies, "
        "but that of a capacitive impedance is negative: the file seems to contain "
        "-Im Z. Write the minus sign into the header, or use imaginary_sign='reverse' "
        f"({_OPTION} reverse); 'keep' accepts inductive devices"
    )
