"""The two interfaces: a model is a specification, a posterior what `fit` made of it."""

import math
import os
import warnings
from abc import abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import logsumexp

from battprob._errors import DataError, PrecisionWarning
from battprob._padding import bucket, pad_rows
from battprob._serialise import save
from battprob._typing import Array, ArrayLike, Bool, Float, Int, PRNGKey
from battprob.class_predictive import ClassPredictive
from battprob.dataset import Dataset
from battprob.inference import FitReport
from battprob.models._protocols import on_protocols
from battprob.noise import AbstractNoise
from battprob.noise.student import students
from battprob.predictive import Predictive


class Rows(NamedTuple):
    """A dataset as models see it: standardised, padded, masked."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    known: Float[Array, " n"]
    mask: Bool[Array, " n"]


class Scaling(eqx.Module):
    """Mean and scale of features and (transformed) target, taken from training rows.

    A column that never varies keeps scale one: a new value of it is then far away. A
    target that never varies (one row) is scaled by its own size.
    """

    x_mean: Float[Array, " d"]
    x_scale: Float[Array, " d"]
    y_mean: Float[Array, ""]
    y_scale: Float[Array, ""]

    def features(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Standardised features."""
        return (x - self.x_mean[None]) / self.x_scale[None]

    def rows(self, padded: Dataset) -> Rows:
        """A padded dataset standardised; masked targets are zero."""
        z = padded.transform.inverse(padded.y)
        y = jnp.where(padded.mask, (z - self.y_mean) / self.y_scale, 0.0)
        known = padded.noise_variance
        known = jnp.zeros_like(y) if known is None else known / self.y_scale**2
        return Rows(self.features(padded.x), y, known, padded.mask)


Answer = TypeVar("Answer", Predictive, ClassPredictive)


class AbstractPosterior(eqx.Module, Generic[Answer]):
    """What is believed after the data; immutable, and the same interface for all models.

    To write your own: hold the fields below and define `_standardised_predict`,
    `_standardised_functions`, `condition` and `uses_groups`.
    """

    scaling: eqx.AbstractVar[Scaling]
    dataset: eqx.AbstractVar[Dataset]
    report: eqx.AbstractVar[FitReport]
    log_evidences: eqx.AbstractVar[Float[Array, " s"]]

    @abstractmethod
    def condition(self, dataset: Dataset) -> "AbstractPosterior":
        """Take in new rows with the hyper-parameters as they are: no refit."""

    @property
    @abstractmethod
    def uses_groups(self) -> bool:
        """Whether `predict` takes the groups of new rows."""

    @abstractmethod
    def _standardised_predict(
        self,
        x: Float[Array, "m d"],
        known: Float[Array, " m"],
        groups: Int[Array, " m"],
    ) -> Answer:
        """Predictive of the standardised target; groups are codes, -1 a new group."""

    @abstractmethod
    def _standardised_functions(
        self, x: Float[Array, "m d"], groups: Int[Array, " m"], key: PRNGKey, num: int
    ) -> Float[Array, "num m"]:
        """Joint draws of the noise-free standardised target."""

    @property
    def log_evidence(self) -> Float[Array, ""]:
        """Log marginal likelihood of the targets, as a density per unit of target.

        Averaged over the draws of the hyper-parameters: they have seen the data, so that
        it is no marginal likelihood, except of quadrature nodes, which are weighted by
        their prior.

        Raises:
            DataError: labels are censored: their draws are no data.
        """
        if not _has_exact_labels(self.dataset):
            raise DataError(
                "the evidence of censored labels is not computed: compare models by the "
                "density of held-out rows (evaluate.cross_validate)"
            )
        average = logsumexp(self.log_evidences) - math.log(len(self.log_evidences))
        data = self.dataset
        slope = data.transform.log_slope(data.y) - jnp.log(self.scaling.y_scale)
        return average + jnp.sum(jnp.where(data.mask, slope, 0.0))

    def predict(
        self,
        x: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        protocol: ArrayLike | str | None = None,
        protocol_weights: ArrayLike | None = None,
    ) -> Answer:
        """Predictive distribution of the targets of new rows.

        Args:
            x: features [m d] in the units and order of the training data.
            noise_variance: measured variance of each new label, for the `Known` head;
                None answers for labels free of that error.
            groups: group of each new row [m], for random effects: a group of the
                training data by its name; any other name, or None, is a new group.
            protocol: for `ProtocolMixture`, the protocol of the new rows where it is
                known: a number for all, one a row (-1: not known), or "new" for one that
                training did not have.
            protocol_weights: for `ProtocolMixture`, how often each protocol is met where
                the answer is used, in place of p(protocol | x) from training; one weight
                more than there are protocols is that of a new one.

        Differentiable in `x`, whose values are then not checked.

        Raises:
            DataError: wrong number of columns, values that are not finite,
                `noise_variance` for a model fitted without, `groups` for a model
                without random effects, or protocols for a model without any.
        """
        if noise_variance is not None and self.dataset.noise_variance is None:
            raise DataError(
                "the model was fitted without noise_variance and would not use it here: "
                "fit with noise.Known() and Dataset(noise_variance=...), or leave it out"
            )
        x, size = self._checked(x)
        known = jnp.asarray(np.zeros(len(x), x.dtype))
        if noise_variance is not None:
            known = known.at[:size].set(jnp.asarray(noise_variance, x.dtype))
        codes = self._codes(groups, size, len(x))
        inputs = _standard_inputs(x, known, self.scaling)
        pred: Any = self._standardised_predict(*inputs, codes)
        # A probability has no unit to be given back.
        if isinstance(pred, Predictive):
            pred = _restored(pred, self.scaling, self.dataset.transform)
        pred = pred.take(slice(size))
        if protocol is None and protocol_weights is None:
            return pred
        return on_protocols(pred, protocol, protocol_weights)  # pyright: ignore[reportReturnType]

    def sample_functions(
        self,
        x: ArrayLike,
        *,
        key: PRNGKey,
        num: int = 1,
        groups: ArrayLike | None = None,
    ) -> Float[Array, "num m"]:
        """`num` joint draws of the target without its noise at the rows of `x`.

        Under a transform this is the transformed function (for `Log` the median life).
        Of a new group it is the function of an average one.
        """
        x, size = self._checked(x)
        codes = self._codes(groups, size, len(x))
        draws = self._standardised_functions(self.scaling.features(x), codes, key, num)
        z = draws[:, :size] * self.scaling.y_scale + self.scaling.y_mean
        return self.dataset.transform.forward(z)

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back."""
        save(self, path)

    def _codes(self, groups, size, padded) -> Int[Array, " m"]:
        """Place of every row's group among those of the training data; -1 for others."""
        codes = np.full(padded, -1, np.int32)
        if groups is None:
            return jnp.asarray(codes)
        if not self.uses_groups:
            raise DataError(
                "the model has no random effects and would not use groups: fit "
                "BayesianLinear(random_effects=True), or leave them out"
            )
        names = np.asarray(groups).tolist()
        if not isinstance(names, list) or len(names) != size:
            raise DataError(f"groups must have one name for each of {size} rows")
        data = self.dataset
        seen = np.unique(np.asarray(data.groups)[np.asarray(data.mask)])
        places = {data.group_names[code]: code for code in seen}
        codes[:size] = [places.get(name, -1) for name in names]
        return jnp.asarray(codes)

    def _checked(self, x) -> tuple[Float[Array, "m d"], int]:
        """Rows to predict, padded to their bucket, and how many there are."""
        names = self.dataset.feature_names
        x = x if isinstance(x, Tracer) else np.asarray(x, self.scaling.x_mean.dtype)
        x = x[:, None] if x.ndim == 1 and len(names) == 1 else x
        if x.ndim != 2 or x.shape[1] != len(names) or len(x) == 0:
            raise DataError(
                f"x must be [rows, {len(names)}], columns {list(names)}; got {x.shape}"
            )
        if isinstance(x, Tracer):  # the caller's jit or grad has fixed the shape
            return jnp.asarray(x), len(x)
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            row, column = bad[0]
            raise DataError(f"x is not finite in row {row}, column {names[column]!r}")
        return pad_rows(jnp.asarray(x), bucket(len(x))), len(x)


class FunctionMoments(NamedTuple):
    """Joint Gaussian law, by draw, of the function at rows x and at places."""

    mean: Float[Array, "s m"]
    variance: Float[Array, "s m"]
    covariance: Float[Array, "s m r"]
    log_weight: Float[Array, " s"]


class AbstractGaussianPosterior(AbstractPosterior[Predictive]):
    """A posterior whose function is, draw by draw, a Gaussian process."""

    @abstractmethod
    def _standardised_moments(
        self, x: Float[Array, "m d"], at: Float[Array, "r d"]
    ) -> FunctionMoments:
        """Moments of the noise-free standardised target."""

    def function_moments(
        self, x: Float[Array, "m d"], at: Float[Array, "r d"]
    ) -> FunctionMoments:
        """What is believed of the function, noise apart: its law at rows `x`, given draws.

        On the scale on which targets vary evenly: under `transforms.Log` of the log of the
        target. Nothing is checked and nothing padded: this is for compiled programs, in
        which rows and posterior may be tracers.

        Args:
            x: features [m d].
            at: places [r d] with which the covariance of the function is asked for; with
                `at=x` it is the joint law, with no rows the marginal ones.
        """
        x, at = self.scaling.features(x), self.scaling.features(at)
        mean, variance, covariance, log_weight = self._standardised_moments(x, at)
        scale = self.scaling.y_scale
        return FunctionMoments(
            mean * scale + self.scaling.y_mean,
            variance * scale**2,
            covariance * scale**2,
            log_weight - logsumexp(log_weight),
        )


class AbstractModel(eqx.Module):
    """A specification: settings only, no data."""

    @abstractmethod
    def fit(self, dataset: Dataset, *, key: PRNGKey) -> AbstractPosterior:
        """Learn from `dataset`.

        Args:
            dataset: rows and targets.
            key: PRNG key (`jax.random.key(seed)`); the same key gives the same answer.

        Raises:
            DataError: the dataset says something this model cannot take in.
            FitError: the fit failed; the error holds the report.
        """


def prepare(
    dataset: Dataset, noise: AbstractNoise, *, row_parameters: bool = False
) -> tuple[Scaling, Rows]:
    """Check a dataset against a noise head, and standardise it.

    Raises:
        DataError: measured variances are missing, or given and not used; or labels are
            censored, or noise is Student-t, and the model has no `row_parameters`.
    """
    if dataset.x.dtype == jnp.float32:
        warnings.warn(
            "fitting in float32: call battprob.enable_x64() first for float64",
            PrecisionWarning,
            stacklevel=3,
        )
    if noise.uses_known() and dataset.noise_variance is None:
        raise DataError("noise.Known() needs Dataset(noise_variance=...)")
    if dataset.noise_variance is not None and not noise.uses_known():
        raise DataError(
            "the dataset has noise_variance but the noise head does not use it: add "
            "noise.Known() + to the head, or leave noise_variance out"
        )
    if not row_parameters:
        _require_exact_labels(dataset)
        if students(noise):
            raise DataError(
                "this model cannot take Student-t noise, which needs a parameter of every "
                "row: use BayesianLinear, or another head"
            )
    return _standardised(dataset.padded())


def standardise(
    dataset: Dataset, scaling: Scaling, *, row_parameters: bool = False
) -> Rows:
    """Rows of a dataset on a scaling found before.

    Raises:
        DataError: labels are censored and the model has no `row_parameters`.
    """
    if not row_parameters:
        _require_exact_labels(dataset)
    return _rows(dataset.padded(), scaling)


def bound(parts: tuple, dataset: Dataset) -> tuple:
    """Kernels and heads bound to the features of a dataset, in its precision."""
    parts = tuple(part.bind(dataset.feature_names) for part in parts)
    return jax.tree.map(lambda leaf: leaf.astype(dataset.x.dtype), parts)


def mixture(
    location: Float[Array, "s m"],
    noise_variance: Float[Array, "s m"],
    function_variance: Float[Array, "s m"],
    log_weight: Float[Array, "s m"],
) -> Predictive:
    """A predictive of draws with one component each."""
    return Predictive(
        location[:, None],
        noise_variance[:, None],
        function_variance[:, None],
        log_weight[:, None],
    )


def _has_exact_labels(dataset):
    return np.all(np.asarray(dataset.censored) == 0) and dataset.y_upper is None


def _require_exact_labels(dataset):
    if not _has_exact_labels(dataset):
        raise DataError(
            "the dataset has censored or interval labels, which this model cannot take "
            "in; dropping them would bias the fit towards short lives"
        )


@eqx.filter_jit
def _standardised(padded):
    x_mean, x_scale, still = _mean_and_scale(padded.x, padded.mask)
    x_scale = jnp.where(still, 1.0, x_scale)
    z = padded.transform.inverse(padded.y)
    y_mean, y_scale, still = (
        stat[0] for stat in _mean_and_scale(z[:, None], padded.mask)
    )
    y_scale = jnp.where(still, _own_size(y_mean, padded.transform), y_scale)
    scaling = Scaling(x_mean, x_scale, y_mean, y_scale)
    return scaling, scaling.rows(padded)


@eqx.filter_jit
def _standard_inputs(x, known, scaling):
    return scaling.features(x), known / scaling.y_scale**2


@eqx.filter_jit
def _rows(padded, scaling):
    return scaling.rows(padded)


@eqx.filter_jit
def _restored(pred, scaling, transform):
    """A predictive of the standardised target as one of the target."""
    scale = scaling.y_scale
    return Predictive(
        pred.location * scale + scaling.y_mean,
        pred.noise_variance * scale**2,
        pred.function_variance * scale**2,
        pred.log_weight,
        transform,
        shared_function=pred.shared_function,
    )


def _mean_and_scale(values, mask):
    weight = mask.astype(values.dtype)[:, None]
    weight = weight / jnp.maximum(weight.sum(), 1)
    mean = (weight * values).sum(0)
    scale = jnp.sqrt((weight * (values - mean[None]) ** 2).sum(0))
    # Relative to its size a column that varies by rounding alone does not vary.
    still = scale <= 8 * jnp.finfo(values.dtype).eps * jnp.abs(mean)
    return mean, scale, still


def _own_size(z, transform):
    """Change of the model's z that doubles the target: |y| for Identity, 1 for Log.

    To first order; the one scale that a target which never varied still tells.
    """
    y = transform.forward(z)
    size = jnp.abs(y) * jnp.exp(transform.log_slope(y))
    return jnp.where(size > 0, size, 1.0)
