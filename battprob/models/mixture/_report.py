"""Reports of mixture fits, with the protocols that are empty or coincide."""

import numpy as np

from battprob.inference.report import FitReport, Stopwatch
from battprob.models.mixture._bound import expert_functions
from battprob.models.mixture._fit import MixtureFit

_EMPTY = 1.0  # rows
# Two functions closer than this, in standard deviations of the noise, cannot be
# distinguished in a single row, nor noise variances within this ratio.
_CLOSE, _VARIANCE_RATIO = 0.5, 2.0


def report_of(fit: MixtureFit, num_starts: int, watch: Stopwatch) -> FitReport:
    """Report of the best fit: convergence, rows of each protocol, and failures."""
    rows = ", ".join(
        f"{count:.1f}" for count in np.asarray(fit.responsibilities).sum(1)
    )
    state = "converged" if fit.converged else "not converged"
    message = f"EM from {num_starts} starts: {state}; rows of each protocol: {rows}"
    return FitReport(
        converged=fit.converged,
        message="; ".join([message, *failures(fit)]),
        steps=fit.steps,
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )


def joined(sampling: FitReport, em: FitReport) -> FitReport:
    """Report of the draws followed by that of EM, which gave the initial values."""
    return FitReport(
        converged=sampling.converged and em.converged,
        message=f"{sampling.message}; {em.message}",
        steps=sampling.steps + em.steps,
        r_hat=sampling.r_hat,
        ess=sampling.ess,
        divergences=sampling.divergences,
        seconds_compile=sampling.seconds_compile + em.seconds_compile,
        seconds_run=sampling.seconds_run + em.seconds_run,
    )


def failures(fit: MixtureFit) -> list[str]:
    """One sentence for each protocol without rows and for each pair that coincides."""
    rows = np.asarray(fit.responsibilities).sum(1)
    empty = [k for k in range(len(rows)) if rows[k] < _EMPTY]
    messages = [
        f"protocol {k} is empty ({rows[k]:.1f} rows): fit fewer protocols, or increase "
        "num_starts"
        for k in empty
    ]
    mask = np.asarray(fit.data.rows.mask)
    mean, variance = (
        np.asarray(a)[:, mask]
        for a in expert_functions(fit.parameters, fit.data, fit.responsibilities)
    )
    occupied = [k for k in range(len(rows)) if k not in empty]
    for first in occupied:
        for second in (k for k in occupied if k > first):
            noise_std = np.sqrt(0.5 * (variance[first] + variance[second]))
            difference = (mean[first] - mean[second]) / noise_std
            distance = np.sqrt(np.mean(difference**2))
            log_ratio = np.mean(np.log(variance[first] / variance[second]))
            if distance < _CLOSE and abs(log_ratio) < np.log(_VARIANCE_RATIO):
                messages.append(
                    f"protocols {first} and {second} coincide (their functions differ by "
                    f"{distance:.2f} standard deviations of the noise): fit fewer "
                    "protocols"
                )
    return messages
