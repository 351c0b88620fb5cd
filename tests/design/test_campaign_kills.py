"""A process killed at any moment of telling and saving leaves a whole campaign behind.

One process imports everything and starts no device; each of its forks tells and saves
until it is killed, so that 200 kills cost minutes and not an hour.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from battprob.design import Campaign
from tests.design.campaigns import started

NURSERY = """
import os, sys
import jax
jax.config.update("jax_enable_x64", True)
from battprob.design import Campaign
path = sys.argv[1]
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        campaign = Campaign.load(path)
        print(os.getpid(), flush=True)
        while True:
            number = campaign.history.next_id
            point = [{"rate": 1.0 + 6.0 * (number % 97) / 97, "salt": "x"}]
            campaign = campaign.tell(point, [float(number)])
            campaign.save(path)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


def _kill(nursery, delay):
    """Let a fork tell and save for `delay` seconds, then kill it."""
    nursery.stdin.write("go\n")
    nursery.stdin.flush()
    number = int(nursery.stdout.readline())
    time.sleep(delay)
    os.kill(number, signal.SIGKILL)
    assert nursery.stdout.readline() == "ended\n"


@pytest.mark.slow
def test_200_kills_lose_nothing_that_was_saved(tmp_path):
    """Assert that each kill leaves the old or the new state, and the loop goes on from it."""
    path = tmp_path / "c.json"
    started().save(path)
    rng, before = random.Random(0), ()
    command = [sys.executable, "-W", "ignore", "-c", NURSERY, str(path)]
    nursery = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    grew = 0
    with nursery:
        for _ in range(200):
            _kill(nursery, rng.uniform(0, 0.3))
            campaign = Campaign.load(path)
            events = campaign.history.events
            assert events[: len(before)] == before
            assert [t.y for t in campaign.results] == [t.id for t in campaign.results]
            grew += len(events) > len(before)
            before = events
        nursery.stdin.close()
    assert grew > 50, "too few of the forks came to save anything"
