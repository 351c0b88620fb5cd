r"""Results and early predictions as rows for a model.

A model works on z = ±T⁻¹(y), made large where the target is good. An early prediction of
z, with variance v_i, stands for a result until that is in; predictions are off by a bias
b common to all, learned from the tests that have both:

    early_i - z_i ~ N(b, v_i),   b ~ N(0, τ²),   τ² the mean of all v_i

and its posterior mean is taken off, its posterior variance added to each v_i (taken for
independent between rows, where it is common). While no result is in, a common bias moves
all rows alike and is left out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from battprob._errors import DataError
from battprob._padding import bucket, pad_rows
from battprob._typing import Float
from battprob.design._history import Trial
from battprob.predictive import Predictive
from battprob.transforms import AbstractTransform, Identity


class Scale(NamedTuple):
    """Between the target and what a model works on, which is to be large."""

    transform: AbstractTransform
    maximise: bool

    @property
    def sign(self) -> float:
        """-1 where small targets are good."""
        return 1.0 if self.maximise else -1.0

    def inverse(self, y: Any) -> Float[np.ndarray, " n"]:
        """Model values of targets."""
        values = np.asarray(y, float)
        padded = pad_rows(values, bucket(len(values)))
        return self.sign * np.asarray(self.transform.inverse(padded))[: len(values)]

    def back(self, pred: Predictive) -> Predictive:
        """A model's answer as one of the target."""
        return _as_target(pred, np.asarray(self.sign), self.transform)

    def moments(
        self, pred: Predictive
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and variance of predicted targets on the scale of the transform.

        Raises:
            DataError: the prediction is on another scale, from which its moments would
                only be known approximately.
        """
        if isinstance(self.transform, Identity):
            return np.asarray(pred.mean), np.asarray(pred.variance)
        if pred.transform != self.transform:
            raise DataError(
                f"the campaign is on the scale of {type(self.transform).__name__}, the "
                f"prediction on that of {type(pred.transform).__name__}: predict with a "
                "model of the campaign's scale"
            )
        plain = Predictive(
            pred.location,
            pred.noise_variance,
            pred.function_variance,
            pred.log_weight,
            shared_function=pred.shared_function,
        )
        return np.asarray(plain.mean), np.asarray(plain.variance)


@eqx.filter_jit
def _as_target(pred, sign, transform):
    return Predictive(
        sign * pred.location,
        pred.noise_variance,
        pred.function_variance,
        pred.log_weight,
        transform,
        shared_function=pred.shared_function,
    )


class EarlyBias(NamedTuple):
    """Posterior of the common bias of early predictions, and from how many tests."""

    mean: float
    variance: float
    num_tests: int

    @classmethod
    def of(cls, trials: Sequence[Trial], scale: Scale) -> "EarlyBias":
        """The bias that tests with both a prediction and a result show."""
        told = [trial for trial in trials if trial.y is not None]
        foretold = [trial for trial in trials if trial.early is not None]
        if not told or not foretold:
            return cls(0.0, 0.0, 0)
        prior = np.array([trial.early_variance for trial in foretold]).mean()
        both = [trial for trial in foretold if trial.y is not None]
        if not both or prior == 0:
            return cls(0.0, float(prior), 0)
        z = scale.sign * scale.inverse([trial.y for trial in both])
        excess = np.array([trial.early for trial in both]) - z
        claimed = np.array([trial.early_variance for trial in both])
        weight = 1 / (claimed + _LEAST * prior)
        variance = 1 / (weight.sum() + 1 / prior)
        return cls(float(variance * weight @ excess), float(variance), len(both))


def rows_of(
    trials: Sequence[Trial], scale: Scale, bias: EarlyBias
) -> tuple[list[Trial], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Tests that say something, their model values, and known variances."""
    told = [trial for trial in trials if trial.y is not None]
    foretold = [trial for trial in trials if trial.is_foretold]
    early = np.array([trial.early for trial in foretold])
    claimed = np.array([trial.early_variance for trial in foretold])
    z = scale.inverse([trial.y for trial in told]) if told else np.zeros(0)
    known = np.array([trial.noise_variance or 0.0 for trial in told])
    return (
        told + foretold,
        np.append(z, scale.sign * (early - bias.mean)),
        np.append(known, claimed + bias.variance),
    )


_LEAST = 1e-6  # of the mean: no single prediction is believed without a doubt
