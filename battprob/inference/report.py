"""`FitReport`: whether a fit converged, how many steps it took, and how long."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator

import jax


@dataclasses.dataclass(frozen=True, eq=False)
class FitReport:
    """Diagnostics of a fit.

    All reports are equal under `==`. A report is a static field of a posterior but no part
    of its computations, and a function compiled for one posterior is reused for the next.
    (A compiled function that returns a posterior returns the report with which it was
    compiled.) Compare reports by `dataclasses.asdict`.

    Attributes:
        converged: whether the stopping rule was met; a fit without a usable result
            raises `FitError` instead.
        message: the result in one sentence.
        steps: evaluations of the log density (optimisers) or draws (samplers).
        r_hat: largest split R-hat over the parameters; None where there are no chains.
        ess: smallest effective sample size; None where there are no chains.
        divergences: divergent transitions; None where there are no chains.
        seconds_compile: time spent by the compiler; zero if the program was reused.
        seconds_run: all other time.
    """

    converged: bool
    message: str
    steps: int = 0
    r_hat: float | None = None
    ess: float | None = None
    divergences: int | None = None
    seconds_compile: float = 0.0
    seconds_run: float = 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FitReport)

    def __hash__(self) -> int:
        return hash(FitReport)


@dataclasses.dataclass
class Stopwatch:
    """Seconds spent in a `stopwatch()` block: by the compiler, and otherwise."""

    compile: float = 0.0
    run: float = 0.0


@contextlib.contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Measure the time of a block, compilation and computation separately."""
    compiled = _compile_seconds()
    compiled_before, start, watch = compiled[0], time.perf_counter(), Stopwatch()
    yield watch
    watch.compile = compiled[0] - compiled_before
    watch.run = time.perf_counter() - start - watch.compile


@functools.cache
def _compile_seconds() -> list[float]:
    """Total time of the compiler so far; JAX reports it only to listeners."""
    total = [0.0]

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if event.startswith("/jax/core/compile/"):
            total[0] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    return total
