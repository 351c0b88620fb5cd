"""Run a script in the Python environment of other libraries (peers)."""

import json
import pathlib
import subprocess


def run_peer(python, script, kind, task):
    """Result of `script` for one peer.

    Args:
        python: interpreter of the environment with the peers.
        script: file in this folder. It reads a task as JSON from standard input and
            prints the result as JSON on its last line.
        kind: which peer, the argument of the script.
        task: what to compute, as the script expects it.
    """
    command = [python, str(pathlib.Path(__file__).with_name(script)), kind]
    out = subprocess.run(
        command, input=json.dumps(task), stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    return json.loads(out.splitlines()[-1])
