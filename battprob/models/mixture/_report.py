"""What is reported of a fit, and what went wrong in words: protocols empty, or all but one."""

import numpy as np

from battprob.inference.report import FitReport, Stopwatch
from battprob.models.mixture._bound import functions
from battprob.models.mixture._search import Found


def report_of(found: Found, num_starts: int, watch: Stopwatch) -> FitReport:
    """How the best of all starts ended, and what failed."""
    rows = ", ".join(f"{count:.1f}" for count in np.asarray(found.share).sum(1))
    state = "found" if found.converged else "stopped short"
    message = f"best of {num_starts} starts {state}; rows on each protocol: {rows}"
    return FitReport(
        converged=found.converged,
        message="; ".join([message, *failures(found)]),
        steps=found.steps,
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )


def joined(own: FitReport, report: FitReport) -> FitReport:
    """The report of draws, and what was said of where they started."""
    return FitReport(
        converged=own.converged and report.converged,
        message=f"{own.message}; {report.message}",
        steps=own.steps + report.steps,
        r_hat=own.r_hat,
        ess=own.ess,
        divergences=own.divergences,
        seconds_compile=own.seconds_compile + report.seconds_compile,
        seconds_run=own.seconds_run + report.seconds_run,
    )


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
