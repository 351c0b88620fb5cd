"""A process killed while it writes leaves the old text or the new one, never a part."""

import json
import random
import signal
import subprocess
import sys
import time

from battprob._files.atomic import locked, replace_text

WRITER = """
import json, sys
from battprob._files.atomic import locked, replace_text
path = sys.argv[1]
number = json.load(open(path))["number"]
print("started", flush=True)
while True:
    number += 1
    with locked(path):
        replace_text(path, json.dumps({"number": number, "rows": [number] * 20_000}))
"""


def test_killed_writers_leave_whole_files(tmp_path):
    """Assert that after each kill the file is whole, and numbers only ever grow."""
    path = tmp_path / "state.json"
    path.write_text('{"number": 0, "rows": []}')
    rng, seen = random.Random(0), [0]
    for _ in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout.readline() == "started\n"
            time.sleep(rng.uniform(0, 0.03))
            child.send_signal(signal.SIGKILL)
        state = json.loads(path.read_text())
        assert set(state["rows"]) <= {state["number"]}
        assert state["number"] >= seen[-1]
        seen.append(state["number"])
    assert seen[-1] > 0, "no child came to write anything"


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    """Assert that a process that died inside the lock keeps nobody out."""
    path = tmp_path / "state.json"
    code = f"""
import os
from battprob._files.atomic import locked
with locked({str(path)!r}):
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with locked(path):
        replace_text(path, "free")
    assert path.read_text() == "free"


def test_writers_take_turns(tmp_path):
    """Assert that a second process waits for the lock."""
    path = tmp_path / "turns.txt"
    path.write_text("")
    code = f"""
from battprob._files.atomic import locked, replace_text
print("ready", flush=True)
with locked({str(path)!r}):
    replace_text({str(path)!r}, open({str(path)!r}).read() + "second")
"""
    with locked(path):
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.05)
        replace_text(path, "first ")
    with child:
        child.wait()
    assert path.read_text() == "first second"
