r"""Results and early predictions of tests as observations of a model.

The model is fitted to z = ±T⁻¹(y), where T is the transform, with the sign for which
large z is good. An early prediction of z with variance v_i takes the place of a result
until the test has one. Early predictions have a common bias b, estimated from the tests
that have both:

    early_i - z_i ~ N(b, v_i),   b ~ N(0, τ²),   τ² the mean of all v_i

The posterior mean of b is subtracted from each early prediction, and its posterior
variance is added to v_i (as if it were independent between tests, although it is
common). While no test has a result, the bias changes all observations equally and is
ignored.
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


class ModelScale(NamedTuple):
    """Conversion between the target and the scale of the model, which is maximised.

    Attributes:
        transform: transform of the target.
        maximise: whether large targets are good.
    """

    transform: AbstractTransform
    maximise: bool

    @property
    def sign(self) -> float:
        """-1 if the target is minimised, else 1."""
        return 1.0 if self.maximise else -1.0

    def from_target(self, y: Any) -> Float[np.ndarray, " n"]:
        """Values on the scale of the model."""
        values = np.asarray(y, float)
        # Padded, so that each new number of results does not compile the transform.
        padded = pad_rows(values, bucket(len(values)))
        return self.sign * np.asarray(self.transform.inverse(padded))[: len(values)]

    def to_target(self, pred: Predictive) -> Predictive:
        """A prediction of the model as a prediction of the target."""
        return _to_target(pred, np.asarray(self.sign), self.transform)

    def moments(
        self, pred: Predictive
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and variance of predicted targets on the scale of the transform.

        Raises:
            DataError: the prediction has another transform; its moments on this scale
                would be approximations.
        """
        if isinstance(self.transform, Identity):
            return np.asarray(pred.mean), np.asarray(pred.variance)
        if pred.transform != self.transform:
            raise DataError(
                f"the campaign has the transform {type(self.transform).__name__}, the "
                f"early predictions have {type(pred.transform).__name__}: predict with a "
                "model of the campaign's transform"
            )
        untransformed = Predictive(
            pred.location,
            pred.noise_variance,
            pred.function_variance,
            pred.log_weight,
            shared_function=pred.shared_function,
        )
        return np.asarray(untransformed.mean), np.asarray(untransformed.variance)


@eqx.filter_jit
def _to_target(pred, sign, transform):
    return Predictive(
        sign * pred.location,
        pred.noise_variance,
        pred.function_variance,
        pred.log_weight,
        transform,
        shared_function=pred.shared_function,
    )


class EarlyBias(NamedTuple):
    """Posterior of the common bias of early predictions.

    Attributes:
        mean, variance: posterior moments, on the scale of the transform.
        num_tests: number of tests with both an early prediction and a result.
    """

    mean: float
    variance: float
    num_tests: int

    @classmethod
    def of(cls, trials: Sequence[Trial], scale: ModelScale) -> "EarlyBias":
        """The bias estimated from tests with an early prediction and a result."""
        with_result = [trial for trial in trials if trial.y is not None]
        with_early = [trial for trial in trials if trial.early is not None]
        if not with_result or not with_early:
            return cls(0.0, 0.0, 0)
        prior = np.array([trial.early_variance for trial in with_early]).mean()
        both = [trial for trial in with_early if trial.y is not None]
        if not both or prior == 0:
            return cls(0.0, float(prior), 0)
        z = scale.sign * scale.from_target([trial.y for trial in both])
        excess = np.array([trial.early for trial in both]) - z
        variances = np.array([trial.early_variance for trial in both])
        weight = 1 / (variances + _LEAST_VARIANCE * prior)
        variance = 1 / (weight.sum() + 1 / prior)
        return cls(float(variance * weight @ excess), float(variance), len(both))


class Observations(NamedTuple):
    """Tests that a model is fitted to, with their values and known variances."""

    trials: list[Trial]
    z: Float[np.ndarray, " n"]
    known_variance: Float[np.ndarray, " n"]


def observations(
    trials: Sequence[Trial], scale: ModelScale, bias: EarlyBias
) -> Observations:
    """Observations of the model: results first, then early predictions."""
    with_result = [trial for trial in trials if trial.y is not None]
    predicted = [trial for trial in trials if trial.uses_early]
    early = np.array([trial.early for trial in predicted])
    early_variance = np.array([trial.early_variance for trial in predicted])
    z = np.zeros(0)
    if with_result:
        z = scale.from_target([trial.y for trial in with_result])
    known = np.array([trial.noise_variance or 0.0 for trial in with_result])
    return Observations(
        with_result + predicted,
        np.append(z, scale.sign * (early - bias.mean)),
        np.append(known, early_variance + bias.variance),
    )


# Relative to the mean variance: an early prediction that is given as exact must not
# determine the bias alone.
_LEAST_VARIANCE = 1e-6
