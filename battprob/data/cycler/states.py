"""Direction of the current from a column of states: `C`, `CC_DChg`, `Rest`, `恒流充电`."""

import re

import numpy as np
from jaxtyping import Float

# Discharge first: `discharge` contains `charge`.
_PATTERNS = (
    (
        -1.0,
        r"d(is)?[\W_]?ch(a?r)?g|discharg|放电|entlad|\bdis\b|\bdch\b|^d_|d[ée]charg"
        r"|\bela\b|\bent\b",
    ),
    (1.0, r"chg|charg|充电|\blad|\bcha\b|\bch\b|^c_"),
    (0.0, r"rest|pause|ocv|ocp|open|idle|wait|stop|suspend|搁置|静置|finish|end"),
)
_LETTERS = {"c": 1.0, "d": -1.0, "r": 0.0, "p": 0.0, "o": 0.0, "s": 0.0}


def direction_of_states(states: np.ndarray) -> Float[np.ndarray, " t"] | None:
    """Direction of the current in each row: 1 charge, -1 discharge, 0 rest, NaN unknown.

    Args:
        states: text of each row.

    Returns:
        The directions; None if no state means charge or discharge.

    Example:
        >>> direction_of_states(np.array(["C", "CC_DChg", "Rest", "?"], object))
        array([ 1., -1.,  0., nan])
        >>> direction_of_states(np.array(["7", "1"], object)) is None
        True
    """
    if states.dtype != object:
        return None
    # Logs have millions of rows and a dozen states.
    known = {text: _direction(text) for text in set(states.tolist())}
    if not any(value in (1.0, -1.0) for value in known.values()):
        return None
    return np.array([known[text] for text in states.tolist()])


def _direction(text):
    text = str(text).strip().lower()
    if text in _LETTERS:
        return _LETTERS[text]
    for direction, pattern in _PATTERNS:
        if re.search(pattern, text):
            return direction
    return np.nan
