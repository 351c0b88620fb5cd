"""What has happened in a campaign: a list of events that only ever grows.

    asked -> (early) -> told | failed

Everything a campaign knows of its tests is read off the events, in their order. They are
plain numbers and text, so that the file holds all, and two files can be told to agree.
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
    """One test: what was asked and why, and what came of it.

    Attributes:
        id: number of the test, from 1.
        point: what was tested.
        mean, aleatoric_sd, epistemic_sd: what was expected when it was asked, None where
            no model was asked.
        value: of the acquisition then.
        y, noise_variance: the result, and its own known variance; None until told.
        early, early_variance: a prediction of the result, on the model's scale.
        failed: why there is no result, None where nothing failed.
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
        """Whether neither a result nor a failure has been told."""
        return self.y is None and self.failed is None

    @property
    def is_foretold(self) -> bool:
        """Whether a prediction stands for a result that is still to come."""
        return self.is_open and self.early is not None

    @property
    def says_something(self) -> bool:
        """Whether a model learns from it."""
        return self.y is not None or self.is_foretold


@dataclasses.dataclass(frozen=True)
class History:
    """All events so far; every method checks, and answers with a longer history."""

    events: tuple[Event, ...] = ()

    @functools.cached_property
    def trials(self) -> Mapping[int, Trial]:
        """Every test by its number."""
        trials: dict[int, Trial] = {}
        for event in self.events:
            _KINDS[event["event"]](trials, event)
        return trials

    @property
    def next_id(self) -> int:
        """Number of the next test."""
        return max(self.trials, default=0) + 1

    def ask(self, tests: Sequence[Mapping[str, Any]]) -> "History":
        """Add tests that are to be run: each with `id`, `point` and why it was chosen."""
        return self._with("asked", tests)

    def tell(self, results: Sequence[Mapping[str, Any]]) -> "History":
        """Add results: each with `id`, `y` and `noise_variance` (or None)."""
        return self._with("told", results)

    def tell_early(self, results: Sequence[Mapping[str, Any]]) -> "History":
        """Add predictions of results: each with `id`, `early` and `early_variance`."""
        return self._with("early", results)

    def fail(self, ids: Sequence[int], reason: str) -> "History":
        """Add tests that will have no result."""
        return self._with("failed", [{"id": i, "failed": reason} for i in ids])

    def _with(self, kind, tests):
        ids = [test["id"] for test in tests]
        repeated = [i for i in ids if ids.count(i) > 1]
        if repeated:
            raise DataError(f"test {repeated[0]} is named twice in one call")
        if not ids:
            raise DataError("no test was named")
        event = {"event": kind, "tests": list(tests)}
        longer = History((*self.events, event))
        _ = longer.trials  # refuses what does not follow from what was before
        return longer


def _asked(trials, event):
    for test in event["tests"]:
        if test["id"] in trials:
            raise DataError(
                f"test {test['id']} has been asked already: ask the campaign as it is now "
                "for new ones"
            )
        trials[test["id"]] = Trial(**test)


def _told(trials, event):
    for test in event["tests"]:
        _require_number(test, "y")
        _require_variance(test, "noise_variance", optional=True)
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


def _early(trials, event):
    for test in event["tests"]:
        _require_number(test, "early")
        _require_variance(test, "early_variance", optional=False)
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


def _failed(trials, event):
    for test in event["tests"]:
        trials[test["id"]] = dataclasses.replace(_open(trials, test["id"]), **test)


_KINDS = {"asked": _asked, "told": _told, "early": _early, "failed": _failed}


def _open(trials, number):
    if number not in trials:
        raise DataError(
            f"there is no test {number}: the campaign has asked {_listed(trials)}"
        )
    trial = trials[number]
    if trial.y is not None:
        raise DataError(
            f"test {number} has been told already (y = {trial.y:g}): a repetition is a "
            "test of its own, told by its point"
        )
    if trial.failed is not None:
        raise DataError(f"test {number} has been told to have failed: {trial.failed}")
    return trial


def _listed(trials):
    return f"tests 1 to {max(trials)}" if trials else "none yet"


def _require_number(test, name):
    if test[name] is None or not math.isfinite(test[name]):
        raise DataError(
            f"{name} of test {test['id']} is {test[name]}: a test without a result has "
            "failed, tell it so by `fail`"
        )


def _require_variance(test, name, *, optional):
    value = test[name]
    if value is None and optional:
        return
    if value is None or not (math.isfinite(value) and value >= 0):
        raise DataError(
            f"{name} of test {test['id']} must be finite and not negative; got {value}"
        )
