"""`FitReport`: what a fit says of itself."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator

import jax


@dataclasses.dataclass(frozen=True, eq=False)
class FitReport:
    """How a fit went.

    To `==` all reports are alike: what a fit says of itself is no part of what its
    posterior computes, and a function compiled for one posterior serves the next. (One
    that returns a posterior returns the report it was compiled with.) Compare reports
    by `dataclasses.asdict`.

    Attributes:
        converged: whether the stopping rule was met; a fit that failed outright raises
            `FitError` instead.
        message: one sentence for a person.
        steps: evaluations of the log density (optimisers) or draws (samplers).
        r_hat: largest split R-hat over the parameters; None where there are no chains.
        ess: smallest effective sample size; None where there are no chains.
        divergences: divergent transitions; None where there are no chains.
        seconds_compile: time spent by the compiler, nought when the shapes were seen.
        seconds_run: the rest.
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
    """Seconds spent in a `stopwatch()` block, the compiler's share apart."""

    compile: float = 0.0
    run: float = 0.0


@contextlib.contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block, telling compilation from computation."""
    compiled = _compile_seconds()
    before, start, watch = compiled[0], time.perf_counter(), Stopwatch()
    yield watch
    watch.compile = compiled[0] - before
    watch.run = time.perf_counter() - start - watch.compile


@functools.cache
def _compile_seconds() -> list[float]:
    """A running total of the compiler's time; JAX offers it to listeners only."""
    total = [0.0]

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if event.startswith("/jax/core/compile/"):
            total[0] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    return total
