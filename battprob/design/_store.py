"""The file of a campaign: one readable JSON document, replaced atomically.

A campaign may replace a file only if the events in the file are the first of its own.
Otherwise another process has added events since the campaign was loaded, and they would
be lost.
"""

import json
import os
from pathlib import Path
from typing import Any

from battprob._errors import DataError
from battprob._files.atomic import lock, replace_text
from battprob._files.serialise import require_version

_FORMAT, _VERSION = "battprob campaign", 2
_READ_BY = {1: "battprob 0.1"}


def write(path: str | os.PathLike, spec: Any, events: Any) -> None:
    """Write a campaign, unless the file holds events that this campaign does not have.

    Raises:
        DataError: the file is not a campaign, holds another campaign, or holds events of
            another process.
    """
    path = Path(path)
    document = {"format": _FORMAT, "version": _VERSION, "spec": spec, "events": events}
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    mine = json.loads(text)
    with lock(path):
        if path.exists():
            stored = read(path)
            if stored["spec"] != mine["spec"]:
                raise DataError(
                    f"{path} holds another campaign (its space, model, acquisition, key "
                    "or target differs): save to another file"
                )
            if stored["events"] != mine["events"][: len(stored["events"])]:
                raise DataError(
                    f"{path} was changed by another process after this campaign was "
                    "loaded: load it again and repeat the last calls of tell"
                )
        replace_text(path, text)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The document that `write` wrote.

    Raises:
        DataError: the file is not a campaign, or has another format version.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not a campaign file: {error}") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise DataError(f"{path} is not a campaign file of battprob")
    require_version(document["version"], _VERSION, _READ_BY, path)
    return document
