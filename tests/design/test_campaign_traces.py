"""A campaign that grows reuses its compiled programs."""

import equinox as eqx
import pytest

from battprob.design import optimise
from battprob.inference import map as inference_map
from tests.design.campaigns import campaign_with_results, lives

PROGRAMS = [(optimise, "_optimise"), (inference_map, "_best_of_starts")]


@pytest.mark.parametrize(("module", "name"), PROGRAMS)
def test_more_results_use_the_same_program(module, name, monkeypatch):
    inside = getattr(module, name).__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(module, name, guarded)
    campaign = campaign_with_results()
    for num in (1, 5, 14):
        suggestions = campaign.ask()
        points = [
            point | {"rate": 1 + 0.3 * i}
            for i in range(num)
            for point in suggestions.points
        ]
        campaign = campaign.tell(points, lives(points))
    assert len(campaign.results) == 26
    campaign.ask()
