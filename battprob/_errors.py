"""Errors and warnings of battprob: what was expected, what was found, what to do."""


class BattprobError(Exception):
    """Base class of all errors that battprob raises itself."""


class DataError(BattprobError, ValueError):
    """The data cannot be used; the message names the column, the row and the remedy."""


class FitError(BattprobError, RuntimeError):
    """A fit failed; the attribute `report` is its `FitReport`, or None."""

    def __init__(self, message, report=None):
        super().__init__(message)
        self.report = report


class PrecisionWarning(UserWarning):
    """A fit runs in float32; call `battprob.enable_x64()` for float64."""


class LeakageWarning(UserWarning):
    """Cells of one group are in both the training and the test set: scores are too good."""


class AliasingWarning(UserWarning):
    """A signal has content near half its sampling rate, and probably above it too."""
