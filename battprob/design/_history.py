"""Events of a campaign: a list that only grows, from which every test is reconstructed.

    ask -> (tell_early) -> tell | fail

An event has the name of the method that adds it. Events hold only numbers and text, so
that a file stores them completely, and files can be compared.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from battprob._errors import DataError

Event = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One test: its point, the prediction when it was suggested, and its result.

    Attributes:
        id: number of the test, from 1.
        point: tested point.
        mean, aleatoric_sd, epistemic_sd: prediction when the test was suggested; None
            for tests that no model suggested.
        value: value of the acquisition at that time.
        y, noise_variance: result, and its known variance; None if there is none.
        early, early_variance: early prediction of the result, on the scale of the
            campaign's transform.
        failed: reason why there is no result; None if the test did not fail.
    """

    id: int
    point: Mapping[str, Any]
    mean: float | None = None
    aleatoric_sd: float | None = None
    epistemic_sd: float | None = None
    value: float | None = None
    y: float | None = None
    noise_variance: float | None = None
    early: float | None = None
    early_variance: float | None = None
    failed: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the test has neither a result nor failed."""
        return self.y is None and self.failed is None

    @property
    def uses_early(self) -> bool:
        """Whether an early prediction takes the place of the result."""
        return self.is_open and self.early is not None

    @property
    def is_informative(self) -> bool:
        """Whether the model is fitted to this test."""
        return self.y is not None or self.uses_early


@dataclasses.dataclass(frozen=True)
class History:
    """All events; each method validates new ones and returns a longer history."""

    events: tuple[Event, ...] = ()

    @functools.cached_property
    def trials(self) -> Mapping[int, Trial]:
        """Each test by its number."""
        trials: dict[int, Trial] = {}
        for event in self.events:
            _HANDLERS[event["event"]](trials, event)
        return trials

    @property
    def next_id(self) -> int:
        """Number of the next test."""
        return max(self.trials, default=0) + 1

    def ask(self, tests: Sequence[Mapping[str, Any]]) -> "History":
        """Add tests that start: each with `id`, `point` and its prediction."""
        return self._with("ask", tests)

    def tell(self, results: Sequence[Mapping[str, Any]]) -> "History":
        """Add results: each with `id`, `y` and `noise_variance` (or None)."""
        return self._with("tell", results)

    def tell_early(self, results: Sequence[Mapping[str, Any]]) -> "History":
        """Add early predictions: each with `id`, `early` and `early_variance`."""
        return self._with("tell_early", results)

    def fail(self, ids: Sequence[int], reason: str) -> "History":
        """Add tests that have failed and will have no result."""
        return self._with("fail", [{"id": i, "failed": reason} for i in ids])

    def _with(self, kind, tests):
        ids = [test["id"] for test in tests]
        repeated = [i for i in ids if ids.count(i) > 1]
        if repeated:
            raise DataError(f"test {repeated[0]} appears twice in one call")
        if not ids:
            raise DataError("no tests were given: pass at least one")
        event = {"event": kind, "tests": list(tests)}
        longer = History((*self.events, event))
        _ = longer.trials  # validates the new event
        return longer


def _ask(trials, event):
    for test in event["tests"]:
        if test["id"] in trials:
            raise DataError(
                f"test {test['id']} is already part of the campaign: call ask() of the "
                "current campaign for new tests"
            )
        trials[test["id"]] = Trial(**test)


def _tell(trials, event):
    for test in event["tests"]:
        _require_number(test, "y")
        _require_variance(test, "noise_variance", optional=True)
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


def _tell_early(trials, event):
    for test in event["tests"]:
        _require_number(test, "early")
        _require_variance(test, "early_variance", optional=False)
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


def _fail(trials, event):
    for test in event["tests"]:
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


_HANDLERS = {"ask": _ask, "tell": _tell, "tell_early": _tell_early, "fail": _fail}


def _open(trials, number):
    if number not in trials:
        existing = f"tests 1 to {max(trials)}" if trials else "no tests yet"
        raise DataError(f"there is no test {number}: the campaign has {existing}")
    trial = trials[number]
    if trial.y is not None:
        raise DataError(
            f"test {number} already has a result (y = {trial.y:g}): add a repeated "
            "measurement as a new test, by passing its point"
        )
    if trial.failed is not None:
        raise DataError(f"test {number} is already recorded as failed ({trial.failed})")
    return trial


def _require_number(test, name):
    if test[name] is None or not math.isfinite(test[name]):
        raise DataError(
            f"{name} of test {test['id']} must be finite; got {test[name]}: record a "
            "test without a result with `fail`"
        )


def _require_variance(test, name, *, optional):
    value = test[name]
    if value is None and optional:
        return
    if value is None or not (math.isfinite(value) and value >= 0):
        raise DataError(
            f"{name} of test {test['id']} must be finite and not negative; got {value}"
        )
