"""The file of a campaign: one readable JSON text, replaced as a whole.

A campaign may only replace a file whose events are the first of its own. Where they are
not, somebody else has told the file something since it was read, and overwriting it would
lose that.
"""

import json
import os
from pathlib import Path
from typing import Any

from battprob._errors import DataError
from battprob._files.atomic import lock, replace_text

_FORMAT, _VERSION = "battprob campaign", 1


def write(path: str | os.PathLike, spec: Any, events: Any) -> None:
    """Write a campaign, unless the file holds what this one does not know.

    Raises:
        DataError: the file is no campaign, or another, or has gone on in another way.
    """
    path = Path(path)
    document = {"format": _FORMAT, "version": _VERSION, "spec": spec, "events": events}
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    mine = json.loads(text)
    with lock(path):
        if path.exists():
            theirs = read(path)
            if theirs["spec"] != mine["spec"]:
                raise DataError(
                    f"{path} is another campaign (its space, model, acquisition or key "
                    "differ): save to another file"
                )
            if theirs["events"] != mine["events"][: len(theirs["events"])]:
                raise DataError(
                    f"{path} has been written by somebody else since this campaign was "
                    "read from it: load it again, and tell it again what it does not know"
                )
        replace_text(path, text)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """What `write` wrote.

    Raises:
        DataError: the file is no campaign, or of a version this one cannot read.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no campaign: {error}") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise DataError(f"{path} is no campaign of battprob")
    if document["version"] != _VERSION:
        raise DataError(
            f"{path} has format version {document['version']}; this battprob reads version "
            f"{_VERSION}: use the battprob that wrote it, or a newer one"
        )
    return document
