"""Errors and warnings that say what was expected, what came, and what to do."""


class BattprobError(Exception):
    """Base of every error that battprob raises on purpose."""


class DataError(BattprobError, ValueError):
    """The data cannot be used as given; the message names column, row and remedy."""


class FitError(BattprobError, RuntimeError):
    """A fit failed; `report` holds the `FitReport` that says how far it came."""

    def __init__(self, message, report=None):
        super().__init__(message)
        self.report = report


class PrecisionWarning(UserWarning):
    """A fit runs in float32; call `battprob.enable_x64()` for float64."""


class LeakageWarning(UserWarning):
    """A split puts cells of one group on both sides, so its scores are optimistic."""


class AliasingWarning(UserWarning):
    """A signal has content near half its sampling rate, so likely beyond it too."""
