"""A loaded campaign equals the saved one exactly; no process overwrites another's events."""

import json
import subprocess
import sys

import numpy as np
import pytest

from battprob import DataError
from battprob.design import Campaign
from tests.design.campaigns import campaign_with_results, lives, new_campaign


@pytest.fixture(scope="module")
def campaign():
    return campaign_with_results()


def test_a_loaded_campaign_suggests_the_same(campaign, tmp_path):
    """Assert equality to the last bit, with a running test."""
    path = tmp_path / "c.json"
    running = campaign.running(campaign.ask())
    running.save(path)
    loaded = Campaign.load(path)
    assert loaded.history == running.history
    one, other = loaded.ask(2), running.ask(2)
    assert one.points == other.points
    for name in ("mean", "aleatoric", "epistemic", "value"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.slow
def test_another_process_suggests_the_same(campaign, tmp_path):
    """Assert equality to the last bit."""
    path = tmp_path / "c.json"
    campaign.save(path)
    code = f"""
import jax
jax.config.update("jax_enable_x64", True)
from battprob.design import Campaign
import json
print(json.dumps(Campaign.load({str(path)!r}).ask(2).records()))
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout
    assert json.loads(out) == json.loads(json.dumps(campaign.ask(2).records()))


def test_the_file_is_readable(campaign, tmp_path):
    path = tmp_path / "c.json"
    campaign.save(path)
    document = json.loads(path.read_text())
    assert document["format"] == "battprob campaign"
    assert [event["event"] for event in document["events"]] == ["ask", "tell"]
    assert document["spec"]["target"] == "life"
    assert path.read_text().count("\n") > 50


def test_a_file_is_replaced_only_by_a_longer_history(campaign, tmp_path):
    path = tmp_path / "c.json"
    campaign.save(path)
    suggestions = campaign.ask()
    longer = campaign.tell(suggestions, lives(suggestions.points))
    longer.save(path)
    longer.save(path)
    with pytest.raises(DataError, match="changed by another process"):
        campaign.save(path)
    assert Campaign.load(path).history == longer.history


def test_the_second_of_two_processes_is_refused(campaign, tmp_path):
    """Assert that results of the first are kept, and the second can load and repeat."""
    path = tmp_path / "c.json"
    campaign.save(path)
    one, other = Campaign.load(path), Campaign.load(path)
    point = [{"rate": 3.0, "salt": "x"}]
    one.tell(point, [800.0]).save(path)
    late = other.tell(point, [801.0])
    with pytest.raises(DataError, match="load it again"):
        late.save(path)
    assert Campaign.load(path).results[-1].y == 800.0
    Campaign.load(path).tell(point, [801.0]).save(path)
    assert [trial.y for trial in Campaign.load(path).results[-2:]] == [800.0, 801.0]


def test_another_campaign_is_not_overwritten(campaign, tmp_path):
    path = tmp_path / "c.json"
    campaign.save(path)
    with pytest.raises(DataError, match="another campaign"):
        new_campaign(seed=1).save(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a campaign file"),
        ("[1, 2]", "is not a campaign file"),
        ('{"format": "battprob campaign", "version": 99}', "format version 99"),
        (
            '{"format": "battprob campaign", "version": 1}',
            "format version 1; .* reads version 2: open it with battprob 0.1",
        ),
    ],
)
def test_other_files_are_refused_and_kept(text, message, campaign, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Campaign.load(path)
    with pytest.raises(DataError, match=message):
        campaign.save(path)
    assert path.read_text() == text
