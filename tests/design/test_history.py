"""A history takes in what follows from it, and refuses all else without a change."""

import pytest

from battprob import DataError
from battprob.design._history import History

ASKED = History().ask([{"id": 1, "point": {"a": 0.5}}, {"id": 2, "point": {"a": 0.7}}])


def result(number, y=1.0, noise_variance=None):
    return {"id": number, "y": y, "noise_variance": noise_variance}


def early(number, mean=1.0, variance=0.1):
    return {"id": number, "early": mean, "early_variance": variance}


def test_tests_go_from_open_to_told():
    """Assert what is known after each event, and that earlier histories stay as they were."""
    predicted = ASKED.tell_early([early(1)])
    told = predicted.tell([result(1, 2.0)]).fail([2], "leak")
    assert ASKED.trials[1].is_open
    assert predicted.trials[1].is_open
    assert (told.trials[1].early, told.trials[1].y) == (1.0, 2.0)
    assert told.trials[2].failed == "leak"
    assert not any(trial.is_open for trial in told.trials.values())
    assert (ASKED.next_id, told.next_id) == (3, 3)


TOLD = ASKED.tell([result(1)]).fail([2], "leak")


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (
            lambda: ASKED.tell([result(3)]),
            "no test 3: the campaign has asked tests 1 to 2",
        ),
        (lambda: ASKED.tell([result(1), result(1)]), "named twice"),
        (lambda: ASKED.tell([]), "no test was named"),
        (lambda: ASKED.tell([result(1, float("nan"))]), "y of test 1 is nan.*`fail`"),
        (lambda: ASKED.tell([result(1, 1.0, -1.0)]), "noise_variance of test 1"),
        (lambda: ASKED.tell_early([early(1, 1.0, float("inf"))]), "early_variance"),
        (lambda: TOLD.tell([result(1)]), "told already"),
        (lambda: TOLD.tell_early([early(1)]), "told already"),
        (lambda: TOLD.tell([result(2)]), "told to have failed: leak"),
        (lambda: TOLD.ask([{"id": 1, "point": {}}]), "asked already"),
    ],
)
def test_what_does_not_follow_is_refused(tell, message):
    before = ASKED.events, TOLD.events
    with pytest.raises(DataError, match=message):
        tell()
    assert (ASKED.events, TOLD.events) == before
