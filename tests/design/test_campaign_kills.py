"""A campaign file stays complete when a process that saves it is killed at any moment.

One parent process imports everything but starts no device. Each of its forks adds results
and saves until it is killed, so that 200 kills take minutes instead of an hour.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from battprob.design import Campaign
from tests.design.campaigns import new_campaign

PARENT = """
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


def _kill_a_fork(parent, delay):
    """Let a fork add results and save for `delay` seconds, then kill it."""
    parent.stdin.write("go\n")
    parent.stdin.flush()
    number = int(parent.stdout.readline())
    time.sleep(delay)
    os.kill(number, signal.SIGKILL)
    assert parent.stdout.readline() == "ended\n"


@pytest.mark.slow
def test_200_kills_lose_no_saved_result(tmp_path):
    """Assert that each kill leaves the old or the new state, and the next fork continues."""
    path = tmp_path / "c.json"
    new_campaign().save(path)
    rng, before = random.Random(0), ()
    command = [sys.executable, "-W", "ignore", "-c", PARENT, str(path)]
    parent = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    longer = 0
    with parent:
        for _ in range(200):
            _kill_a_fork(parent, rng.uniform(0, 0.3))
            campaign = Campaign.load(path)
            events = campaign.history.events
            assert events[: len(before)] == before
            assert [t.y for t in campaign.results] == [t.id for t in campaign.results]
            longer += len(events) > len(before)
            before = events
        parent.stdin.close()
    assert longer > 50, "too few of the forks saved anything"
