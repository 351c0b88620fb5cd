"""Cycle life from early cycles: the default pipeline, and the study that commands print."""

from battprob.cli.life.pipeline import COLUMNS, candidates, model
from battprob.cli.life.sources import Source, from_cells, read
from battprob.cli.life.study import records, study

__all__ = [
    "COLUMNS",
    "Source",
    "candidates",
    "from_cells",
    "model",
    "read",
    "records",
    "study",
]
