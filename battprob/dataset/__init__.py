"""`Dataset`: a design matrix, its targets, and what is known of their errors."""

from battprob.dataset._validation import EXACT, LOWER_BOUND, UNKNOWN, UPPER_BOUND
from battprob.dataset.dataset import Dataset

__all__ = ["EXACT", "LOWER_BOUND", "UNKNOWN", "UPPER_BOUND", "Dataset"]
