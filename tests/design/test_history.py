"""A history accepts valid events and refuses others without a change."""

import pytest

from battprob import DataError
from battprob.design._history import History

ASKED = History().ask([{"id": 1, "point": {"a": 0.5}}, {"id": 2, "point": {"a": 0.7}}])


def result(number, y=1.0, noise_variance=None):
    return {"id": number, "y": y, "noise_variance": noise_variance}


def early(number, mean=1.0, variance=0.1):
    return {"id": number, "early": mean, "early_variance": variance}


def test_trials_follow_from_events():
    """Assert the state after each event, and that earlier histories are unchanged."""
    predicted = ASKED.tell_early([early(1)])
    finished = predicted.tell([result(1, 2.0)]).fail([2], "leak")
    assert ASKED.trials[1].is_open
    assert predicted.trials[1].is_open
    assert (finished.trials[1].early, finished.trials[1].y) == (1.0, 2.0)
    assert finished.trials[2].failed == "leak"
    assert not any(trial.is_open for trial in finished.trials.values())
    assert (ASKED.next_id, finished.next_id) == (3, 3)


FINISHED = ASKED.tell([result(1)]).fail([2], "leak")


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (
            lambda: ASKED.tell([result(3)]),
            "no test 3: the campaign has tests 1 to 2",
        ),
        (lambda: ASKED.tell([result(1), result(1)]), "test 1 appears twice"),
        (lambda: ASKED.tell([]), "no tests were given"),
        (
            lambda: ASKED.tell([result(1, float("nan"))]),
            "y of test 1 must be finite; got nan.*`fail`",
        ),
        (lambda: ASKED.tell([result(1, 1.0, -1.0)]), "noise_variance of test 1"),
        (lambda: ASKED.tell_early([early(1, 1.0, float("inf"))]), "early_variance"),
        (lambda: FINISHED.tell([result(1)]), "test 1 already has a result"),
        (lambda: FINISHED.tell_early([early(1)]), "test 1 already has a result"),
        (
            lambda: FINISHED.tell([result(2)]),
            r"test 2 is already recorded as failed \(leak\)",
        ),
        (
            lambda: FINISHED.ask([{"id": 1, "point": {}}]),
            "already part of the campaign",
        ),
    ],
)
def test_invalid_events_are_refused(add, message):
    before = ASKED.events, FINISHED.events
    with pytest.raises(DataError, match=message):
        add()
    assert (ASKED.events, FINISHED.events) == before
