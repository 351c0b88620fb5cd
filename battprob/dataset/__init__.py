"""`Dataset`: feature matrix, targets, their measurement errors, groups and censoring."""

from battprob.dataset._validation import EXACT, LOWER_BOUND, UNKNOWN, UPPER_BOUND
from battprob.dataset.dataset import Dataset

__all__ = ["EXACT", "LOWER_BOUND", "UNKNOWN", "UPPER_BOUND", "Dataset"]
