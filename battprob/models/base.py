"""The interfaces of models: a specification with `fit`, and the posterior it returns."""

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
from battprob.predictive import ClassPredictive, Predictive

Answer = TypeVar("Answer", Predictive, ClassPredictive)


class NewRows(NamedTuple):
    """Rows to predict, as models see them: standardised and padded.

    Args:
        x: standardised features.
        known: measured noise variance in units of the standardised target, or zero.
        groups: index of the group in `Dataset.group_names`; -1 for a new group.
    """

    x: Float[Array, "m d"]
    known: Float[Array, " m"]
    groups: Int[Array, " m"]


class AbstractPosterior(eqx.Module, Generic[Answer]):
    """Posterior distribution of a model given a dataset; immutable.

    To write your own:

    1. Derive from `AbstractGaussianPosterior` if the function is a Gaussian process for
       each posterior draw, from `AbstractClassPosterior` for two classes, else from this
       class.
    2. Hold the abstract fields below.
    3. Define `condition`, `uses_groups`, `_standardised_predict` and
       `_standardised_functions`. They receive standardised features (mean 0 and standard
       deviation 1 over the training rows) and return values in units of the standardised
       target; this class restores the units of the data.
    """

    scaling: eqx.AbstractVar[Scaling]
    dataset: eqx.AbstractVar[Dataset]
    report: eqx.AbstractVar[FitReport]
    log_evidences: eqx.AbstractVar[Float[Array, " s"]]

    @abstractmethod
    def condition(self, dataset: Dataset) -> "AbstractPosterior":
        """Posterior given more rows, with the hyper-parameters unchanged.

        Args:
            dataset: new rows with the same features, target and fields.
        """

    @abstractmethod
    def predict(
        self,
        x: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Answer:
        """Predictive distribution of the targets of new rows.

        Differentiable in `x`; the values of a traced `x` are not checked.

        Args:
            x: features [m d] in the units and order of the training data.
            noise_variance: measured variance of each new label [m], for the `Known` noise
                model; None predicts labels without measurement error.
            groups: group of each new row [m], for random effects: the name of a group of
                the training data; any other name, or None, is a new group.

        Raises:
            DataError: wrong number of columns, values that are not finite,
                `noise_variance` for a model fitted without it, or `groups` for a model
                without random effects.
        """

    @property
    @abstractmethod
    def uses_groups(self) -> bool:
        """Whether `predict` uses the groups of new rows."""

    @abstractmethod
    def _standardised_predict(self, rows: NewRows) -> Answer:
        """Predictive distribution of the standardised target."""

    @abstractmethod
    def _standardised_functions(
        self, rows: NewRows, key: PRNGKey, num: int
    ) -> Float[Array, "num m"]:
        """Joint draws of the noise-free standardised target."""

    @property
    def log_evidence(self) -> Float[Array, ""]:
        """Log marginal likelihood of the targets, as a density per unit of target.

        Averaged over the posterior draws of the hyper-parameters. Because these depend on
        the data, the average is not a marginal likelihood, except for quadrature nodes,
        which are weighted by their prior.

        Raises:
            DataError: labels are censored: the model draws them, so they are not data.
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

    def sample_functions(
        self,
        x: ArrayLike,
        *,
        key: PRNGKey,
        num: int = 1,
        groups: ArrayLike | None = None,
    ) -> Float[Array, "num m"]:
        """Joint posterior draws of the noise-free target at the rows of `x`.

        Under a transform these are draws of the transformed function (for `Log` the
        median life). For a new group they are draws of the function of an average group.

        Args:
            x: features [m d] in the units and order of the training data.
            key: PRNG key.
            num: number of draws.
            groups: as for `predict`.
        """
        rows, size = self._new_rows(x, None, groups)
        draws = self._standardised_functions(rows, key, num)
        z = draws[:, :size] * self.scaling.y_scale + self.scaling.y_mean
        return self.dataset.transform.forward(z)

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back."""
        save(self, path)

    def _predicted(self, x, noise_variance, groups) -> Answer:
        """Predictive distribution in the units of the data."""
        rows, size = self._new_rows(x, noise_variance, groups)
        pred: Any = self._standardised_predict(rows)
        # A probability has no unit to restore.
        if isinstance(pred, Predictive):
            pred = _restored(pred, self.scaling, self.dataset.transform)
        return pred.take(slice(size))

    def _new_rows(self, x, noise_variance, groups) -> tuple[NewRows, int]:
        """Rows to predict, padded to their bucket, and their number before padding."""
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
        return NewRows(*standard_inputs(x, known, self.scaling), codes), size

    def _codes(self, groups, size, padded) -> Int[Array, " m"]:
        """Index of the group of each row among those of the training data, else -1."""
        codes = np.full(padded, -1, np.int32)
        if groups is None:
            return jnp.asarray(codes)
        if not self.uses_groups:
            raise DataError(
                "the model has no random effects and would not use groups: fit it with "
                "random_effects=True, or leave groups out"
            )
        names = np.asarray(groups).tolist()
        if not isinstance(names, list) or len(names) != size:
            raise DataError(f"groups must have one name for each of {size} rows")
        data = self.dataset
        seen = np.unique(np.asarray(data.groups)[np.asarray(data.mask)])
        index = {data.group_names[code]: code for code in seen}
        codes[:size] = [index.get(name, -1) for name in names]
        return jnp.asarray(codes)

    def _checked(self, x) -> tuple[Float[Array, "m d"], int]:
        """Features padded to their bucket, and their number of rows before padding."""
        names = self.dataset.feature_names
        x = x if isinstance(x, Tracer) else np.asarray(x, self.scaling.x_mean.dtype)
        x = x[:, None] if x.ndim == 1 and len(names) == 1 else x
        if x.ndim != 2 or x.shape[1] != len(names) or len(x) == 0:
            raise DataError(
                f"x must be [rows, {len(names)}], columns {list(names)}; got {x.shape}"
            )
        if isinstance(x, Tracer):  # the shape is fixed by the caller's jit or grad
            return jnp.asarray(x), len(x)
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            row, column = bad[0]
            raise DataError(f"x is not finite in row {row}, column {names[column]!r}")
        return pad_rows(jnp.asarray(x), bucket(len(x))), len(x)


class FunctionMoments(NamedTuple):
    """Joint Gaussian distribution of f at rows x and at reference points, by draw."""

    mean: Float[Array, "s m"]
    variance: Float[Array, "s m"]
    covariance: Float[Array, "s m r"]
    log_weight: Float[Array, " s"]


class ReferencePoints(NamedTuple):
    """Rows whose covariance with many other rows is needed, with cached solves.

    Args:
        rows: reference points in the units of the data.
        cached: what the model computes once for them (for an exact process the rows and
            $K^{-1}k(X, r)$), a pytree of arrays whose first axis is r.
    """

    rows: Float[Array, "r d"]
    cached: Any

    def joined(self, other: "ReferencePoints") -> "ReferencePoints":
        """These reference points, then those of `other`."""
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), self, other)


class AbstractGaussianPosterior(AbstractPosterior[Predictive]):
    """A posterior whose function is a Gaussian process for each posterior draw.

    To write your own, define `_standardised_reference`, `_standardised_moments` and
    `function_draws` in addition to the methods of `AbstractPosterior`.
    """

    @abstractmethod
    def _standardised_reference(self, x: Float[Array, "r d"]) -> Any:
        """What `_standardised_moments` needs of reference points; first axes are r."""

    @abstractmethod
    def _standardised_moments(
        self, x: Float[Array, "m d"], reference: Any
    ) -> FunctionMoments:
        """Moments of the noise-free standardised target."""

    @property
    @abstractmethod
    def function_draws(self) -> Int[Array, " k"]:
        """For each draw of `predict`, the index of its draw of `function_moments`.

        Several draws of `predict` share one function if they differ only in the noise
        variance.
        """

    def predict(self, x, *, noise_variance=None, groups=None):
        return self._predicted(x, noise_variance, groups)

    def reference_points(self, rows: Float[Array, "r d"]) -> ReferencePoints:
        """Reference points for repeated calls of `function_moments`."""
        features = self.scaling.features(rows)
        return ReferencePoints(rows, self._standardised_reference(features))

    def function_moments(
        self,
        x: Float[Array, "m d"],
        reference: "Float[Array, 'r d'] | ReferencePoints",
    ) -> FunctionMoments:
        """Moments of the noise-free target on the model's scale (log life, for `Log`).

        For a new group these are the moments of the function of an average group.

        Args:
            x: features [m d].
            reference: rows [r d] whose covariance with `x` is computed, or
                `reference_points` of them. With `reference=x` the result is the joint
                distribution, with no rows (`x[:0]`) the marginal ones.
        """
        if not isinstance(reference, ReferencePoints):
            reference = self.reference_points(reference)
        moments = self._standardised_moments(self.scaling.features(x), reference.cached)
        scale = self.scaling.y_scale
        return FunctionMoments(
            moments.mean * scale + self.scaling.y_mean,
            moments.variance * scale**2,
            moments.covariance * scale**2,
            moments.log_weight - logsumexp(moments.log_weight),
        )


class AbstractClassPosterior(AbstractPosterior[ClassPredictive]):
    """A posterior of the probability of one of two classes."""

    def predict(self, x, *, noise_variance=None, groups=None):
        return self._predicted(x, noise_variance, groups)


class AbstractModel(eqx.Module):
    """A specification of a model: settings only, no data.

    To write your own:

    1. Hold the settings as fields.
    2. Define `uses`: which optional fields of a `Dataset` the model uses.
    3. Define `fit`, which first calls `require_used_fields(self, dataset)` and returns an
       `AbstractPosterior`.
    """

    def __check_init__(self):
        require_parts(self)

    @abstractmethod
    def uses(self, field: str) -> bool:
        """Whether the model uses an optional field of a `Dataset`.

        Args:
            field: "groups", "noise_variance", "censored" (with `y_upper`) or "protocol".
        """

    @abstractmethod
    def fit(self, dataset: Dataset, *, key: PRNGKey) -> AbstractPosterior:
        """Posterior of the model given `dataset`.

        Args:
            dataset: rows and targets.
            key: PRNG key (`jax.random.key(seed)`); the same key gives the same result.

        Raises:
            DataError: the dataset has a field that this model does not use, or lacks one
                that it needs.
            FitError: the fit failed; the error holds the report.
        """


def bound(parts: tuple, dataset: Dataset) -> tuple:
    """Kernels and noise models bound to the features of a dataset, in its precision."""
    parts = tuple(part.bind(dataset.feature_names) for part in parts)
    return jax.tree.map(lambda leaf: leaf.astype(dataset.x.dtype), parts)


def mixture(
    location: Float[Array, "s m"],
    noise_variance: Float[Array, "s m"],
    function_variance: Float[Array, "s m"],
    log_weight: Float[Array, "s m"],
) -> Predictive:
    """A predictive distribution of draws with one component each."""
    return Predictive(
        location[:, None],
        noise_variance[:, None],
        function_variance[:, None],
        log_weight[:, None],
    )


@eqx.filter_jit
def _restored(pred, scaling, transform):
    """A predictive distribution of the standardised target in the units of the data."""
    scale = scaling.y_scale
    return Predictive(
        pred.location * scale + scaling.y_mean,
        pred.noise_variance * scale**2,
        pred.function_variance * scale**2,
        pred.log_weight,
        transform,
        shared_function=pred.shared_function,
    )
