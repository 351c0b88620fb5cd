"""What went wrong with a mixture, in words: protocols that are empty or all but one."""

import numpy as np

from battprob.models._mixture.bound import functions
from battprob.models._mixture.search import Found

_EMPTY = 1.0  # rows
_ALIKE = 0.5  # standard deviations of the noise


def failures(found: Found) -> list[str]:
    """One sentence for each protocol that no row is on, and for each two that are one."""
    rows = np.asarray(found.share).sum(1)
    empty = [k for k in range(len(rows)) if rows[k] < _EMPTY]
    told = [
        f"protocol {k} is empty ({rows[k]:.1f} rows): fit fewer protocols, or more starts"
        for k in empty
    ]
    mask = np.asarray(found.data.rows.mask)
    mean, variance = (
        np.asarray(a)[:, mask]
        for a in functions(found.parameters, found.data, found.share)
    )
    full = [k for k in range(len(rows)) if k not in empty]
    for first in full:
        for other in (k for k in full if k > first):
            noise = np.sqrt(0.5 * (variance[first] + variance[other]))
            apart = np.sqrt(np.mean(((mean[first] - mean[other]) / noise) ** 2))
            ratio = np.exp(np.mean(np.log(variance[first] / variance[other])))
            if apart < _ALIKE and 0.5 < ratio < 2:
                told.append(
                    f"protocols {first} and {other} are one ({apart:.2f} standard "
                    "deviations of the noise apart): fit fewer protocols"
                )
    return told
