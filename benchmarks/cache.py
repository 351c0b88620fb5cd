"""Results of earlier runs of benchmarks, one file per name, so that a run can be resumed."""

import json
import pathlib

FOLDER = pathlib.Path("results")


def cached(name, compute):
    """Return the result of this name from its file, or compute and store it."""
    path = FOLDER / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())
    result = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result
