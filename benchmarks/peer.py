"""What a script says that runs with the peers' Python: JSON in, JSON on its last line out."""

import json
import pathlib
import subprocess


def peer_says(python, script, kind, task):
    """The answer of one peer (`kind`) of a script beside this one to a task."""
    command = [python, str(pathlib.Path(__file__).with_name(script)), kind]
    out = subprocess.run(
        command, input=json.dumps(task), stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    return json.loads(out.splitlines()[-1])
