"""The two interfaces: a model is a specification, a posterior what `fit` made of it."""

import math
import os
from abc import abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._files.serialise import save
from battprob._modules import require_parts
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, ArrayLike, Float, Int, PRNGKey
from battprob.dataset import Dataset
from battprob.inference.report import FitReport
from battprob.models._scaling import Scaling, has_exact_labels, standard_inputs
from battprob.models.mixture._protocols import on_protocols
from battprob.predictive import ClassPredictive, Predictive

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
        if not has_exact_labels(self.dataset):
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
        inputs = standard_inputs(x, known, self.scaling)
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


class ReferencePoints(NamedTuple):
    """Rows that many others are to be compared with, and how far training rows speak there.

    Of a Gaussian process the weights are $K^{-1}k(X, r)$ by draw, found once, so that each
    further row costs no triangular solve; None where a model has no such short cut.
    """

    rows: Float[Array, "r d"]
    weights: Float[Array, "s u r"] | None

    def joined(self, other: "ReferencePoints") -> "ReferencePoints":
        """These rows and behind them the others."""
        rows = jnp.concatenate([self.rows, other.rows])
        if self.weights is None or other.weights is None:
            return ReferencePoints(rows, None)
        return ReferencePoints(
            rows, jnp.concatenate([self.weights, other.weights], axis=2)
        )


class AbstractGaussianPosterior(AbstractPosterior[Predictive]):
    """A posterior whose function is, draw by draw, a Gaussian process."""

    @abstractmethod
    def _standardised_moments(
        self,
        x: Float[Array, "m d"],
        at: Float[Array, "r d"],
        weights: Float[Array, "s u r"] | None,
    ) -> FunctionMoments:
        """Moments of the noise-free standardised target."""

    @abstractmethod
    def _standardised_weights(
        self, at: Float[Array, "r d"]
    ) -> Float[Array, "s u r"] | None:
        """Weights of training rows at places, where they save work later."""

    def reference_points(self, rows: Float[Array, "r d"]) -> ReferencePoints:
        """Rows made ready for `function_moments(x, at=reference_points)` of many x."""
        return ReferencePoints(
            rows, self._standardised_weights(self.scaling.features(rows))
        )

    def function_moments(
        self, x: Float[Array, "m d"], at: Float[Array, "r d"] | ReferencePoints
    ) -> FunctionMoments:
        """What is believed of the function, noise apart: its law at rows `x`, given draws.

        On the scale on which targets vary evenly: under `transforms.Log` of the log of the
        target. Nothing is checked and nothing padded: this is for compiled programs, in
        which rows and posterior may be tracers.

        Args:
            x: features [m d].
            at: rows [r d] with which the covariance of the function is asked for, or
                `reference_points` of them; with `at=x` it is the joint law, with no rows the
                marginal ones.
        """
        rows, weights = (
            at if isinstance(at, ReferencePoints) else ReferencePoints(at, None)
        )
        x, rows = self.scaling.features(x), self.scaling.features(rows)
        moments = self._standardised_moments(x, rows, weights)
        mean, variance, covariance, log_weight = moments
        scale = self.scaling.y_scale
        return FunctionMoments(
            mean * scale + self.scaling.y_mean,
            variance * scale**2,
            covariance * scale**2,
            log_weight - logsumexp(log_weight),
        )


class AbstractModel(eqx.Module):
    """A specification: settings only, no data."""

    def __check_init__(self):
        require_parts(self)

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
