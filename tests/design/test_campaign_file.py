"""A campaign comes back from its file to the last bit; no writer overwrites another."""

import json
import subprocess
import sys

import numpy as np
import pytest

from battprob import DataError
from battprob.design import Campaign
from tests.design.campaigns import going, started, told


@pytest.fixture(scope="module")
def campaign():
    return going()


def test_a_restored_campaign_asks_the_same(campaign, tmp_path):
    """Assert bit-identical questions, with tests running and without."""
    path = tmp_path / "c.json"
    running = campaign.running(campaign.ask())
    running.save(path)
    back = Campaign.load(path)
    assert back.history == running.history
    one, other = back.ask(2), running.ask(2)
    assert one.points == other.points
    for name in ("mean", "aleatoric", "epistemic", "value"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.slow
def test_another_process_asks_the_same(campaign, tmp_path):
    """Assert that a process of its own asks the same, bit for bit."""
    path = tmp_path / "c.json"
    campaign.save(path)
    code = f"""
import jax
jax.config.update("jax_enable_x64", True)
from battprob.design import Campaign
import json
asked = Campaign.load({str(path)!r}).ask(2)
print(json.dumps(asked.records()))
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
    assert [event["event"] for event in document["events"]] == ["asked", "told"]
    assert document["spec"]["target"] == "life"
    assert path.read_text().count("\n") > 50


def test_a_campaign_goes_on_in_its_file(campaign, tmp_path):
    """Assert that saves along one history follow each other, old states after new ones not."""
    path = tmp_path / "c.json"
    campaign.save(path)
    suggestions = campaign.ask()
    longer = campaign.tell(suggestions, told(suggestions.points))
    longer.save(path)
    longer.save(path)
    with pytest.raises(DataError, match="written by somebody else since"):
        campaign.save(path)
    assert Campaign.load(path).history == longer.history


def test_of_two_writers_the_second_is_refused(campaign, tmp_path):
    """Assert that what the first has told is not lost, and can be gone on from."""
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
        started(seed=1).save(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no campaign"),
        ("[1, 2]", "is no campaign"),
        ('{"format": "battprob campaign", "version": 99}', "format version 99"),
    ],
)
def test_other_files_are_refused(text, message, campaign, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Campaign.load(path)
    with pytest.raises(DataError, match=message):
        campaign.save(path)
    assert path.read_text() == text
