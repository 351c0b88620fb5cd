"""A process killed while it writes leaves the old content or the new, never a part."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from battprob._files.atomic import lock, replace_text

WRITER = """
import json, sys
from battprob._files.atomic import lock, replace_text
path = sys.argv[1]
number = json.load(open(path))["number"]
print("started", flush=True)
while True:
    number += 1
    with lock(path):
        replace_text(path, json.dumps({"number": number, "rows": [number] * 20_000}))
"""


def test_killed_writers_leave_whole_files(tmp_path):
    """Assert that after each kill the file is whole and its number does not decrease."""
    path = tmp_path / "state.json"
    path.write_text('{"number": 0, "rows": []}')
    rng, numbers = random.Random(0), [0]
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
        assert state["number"] >= numbers[-1]
        numbers.append(state["number"])
    assert numbers[-1] > 0, "no child process wrote anything"


def test_lock_of_a_dead_process_is_released(tmp_path):
    path = tmp_path / "state.json"
    code = f"""
import os
from battprob._files.atomic import lock
with lock({str(path)!r}):
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with lock(path):
        replace_text(path, "released")
    assert path.read_text() == "released"


def test_second_process_waits_for_the_lock(tmp_path):
    path = tmp_path / "turns.txt"
    path.write_text("")
    code = f"""
from battprob._files.atomic import lock, replace_text
print("ready", flush=True)
with lock({str(path)!r}):
    replace_text({str(path)!r}, open({str(path)!r}).read() + "second")
"""
    with lock(path):
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        assert child.poll() is None
        replace_text(path, "first ")
    with child:
        child.wait()
    assert path.read_text() == "first second"


def test_missing_folder_is_an_error(tmp_path):
    """Assert that a mistyped folder is reported, not created."""
    with (
        pytest.raises(FileNotFoundError, match="misspelt"),
        lock(tmp_path / "misspelt/a"),
    ):
        pass
    assert not (tmp_path / "misspelt").exists()
