"""Posterior of a mixture of protocols."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.dataset import Dataset
from battprob.inference.report import FitReport
from battprob.models._scaling import Scaling, standardise
from battprob.models.base import AbstractPosterior
from battprob.models.mixture import _predict
from battprob.models.mixture._bound import new_responsibilities
from battprob.models.mixture._data import (
    concatenated,
    mixture_data,
    num_free_protocols,
    num_labelled_protocols,
    with_protocols,
)
from battprob.models.mixture._em import converged_responsibilities
from battprob.models.mixture._laplace import laplace_draws
from battprob.models.mixture._parameters import MixtureData, MixtureParameters
from battprob.models.mixture._protocols import checked_weights, on_protocols
from battprob.predictive import Predictive


class ProtocolMixturePosterior(AbstractPosterior[Predictive]):
    """Posterior of `ProtocolMixture`.

    Predictions have one component for each protocol and a last one for a protocol that is
    not in the training data: its function differs from those of the other protocols as
    these differ from each other, and its noise variance is their mean. The last component
    has weight zero unless `protocol="new"` or `protocol_weights` ask for it.

    Attributes:
        draws: draws of the hyper-parameters.
        training_responsibilities: responsibilities of the protocols for the training rows,
            for each draw; all equal, unless the protocols were sampled.
        solutions: solution of each expert for each draw.
        data: training rows, standardised.
        mode: hyper-parameters of EM.
        normals: standard normal numbers from which `draws` are computed.
        sampled: whether `draws` come from a sampler, not from Laplace's approximation.
        log_number_probabilities: log posterior probability of 1, 2, ... protocols.
    """

    draws: MixtureParameters
    training_responsibilities: Float[Array, "s k n"]
    solutions: tuple[Float[Array, "s k q"], Float[Array, "s k p p"]]
    data: MixtureData
    mode: MixtureParameters
    normals: Float[Array, "h z"]
    sampled: bool = eqx.field(static=True)
    log_number_probabilities: Float[Array, " r"]
    log_evidences: Float[Array, " one"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    @property
    def num_protocols(self) -> int:
        """Number of protocols of the mixture."""
        return self.training_responsibilities.shape[1]

    @property
    def number_probabilities(self) -> Float[np.ndarray, " r"]:
        """Posterior probability of 1, 2, ... protocols, uniform a priori."""
        return np.exp(np.asarray(self.log_number_probabilities))

    @property
    def uses_groups(self):
        return False

    def predict(
        self,
        x: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        protocol: ArrayLike | str | None = None,
        protocol_weights: ArrayLike | None = None,
    ) -> Predictive:
        """Predictive distribution of the targets of new rows.

        Args:
            x: features [m d] in the units and order of the training data.
            noise_variance: measured variance of each new label [m], for the `Known` noise
                model.
            groups: not used by mixtures; refused if given.
            protocol: the protocol of the new rows if it is known: a number for all rows,
                one per row (-1: unknown), or "new" for a protocol that is not in the
                training data.
            protocol_weights: probability of each protocol where the model is applied,
                instead of p(protocol | x) from training; with one weight more than there
                are protocols, the last one is that of a new protocol.

        Raises:
            DataError: as for other models; there is no such protocol; or both `protocol`
                and `protocol_weights` are given.
        """
        pred = self._predicted(x, noise_variance, groups)
        if protocol is None and protocol_weights is None:
            return pred
        return on_protocols(pred, protocol, protocol_weights)

    def condition(self, dataset):
        new_rows = standardise(dataset, self.scaling)
        dataset = with_protocols(dataset)
        num_labelled_protocols(dataset, self.num_protocols)
        new = mixture_data(dataset, new_rows, self.num_protocols)
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        data = mixture_data(together, rows, self.num_protocols)
        sizes = (self.dataset.num_rows, dataset.num_rows, len(data.labels))
        converged, draws, log_evidence = self._laplace_given(new, data, sizes)
        if self.sampled:
            draws = self.draws
            old = self.training_responsibilities
            added = _predict.new_responsibilities_by_draw(draws, self.data, old, new)
            responsibilities = concatenated(old, added, *sizes)
        else:
            shape = (len(self.training_responsibilities), *converged.shape)
            responsibilities = jnp.broadcast_to(converged[None], shape)
        log_evidence = log_evidence + math.lgamma(num_free_protocols(data) + 1)
        return replace(
            self,
            draws=draws,
            training_responsibilities=responsibilities,
            solutions=_predict.solve(draws, data, responsibilities),
            data=data,
            log_evidences=log_evidence[None],
            dataset=together,
        )

    def _laplace_given(self, new, data, sizes):
        """Responsibilities for all rows at the mode, Laplace draws, and the evidence.

        The mode of the hyper-parameters is unchanged; the draws are less variable than
        before, because they are given more rows.
        """
        # A mean over draws; without a sampler all draws have the same responsibilities.
        old = self.training_responsibilities.mean(0)
        added = new_responsibilities(self.mode, self.data, old, new)
        initial = concatenated(old, added, *sizes)
        converged = converged_responsibilities(self.mode, data, initial)
        return converged, *laplace_draws(self.mode, data, converged, self.normals)

    def protocol_probabilities(self, x: ArrayLike) -> Float[Array, "m k"]:
        """p(protocol | x), averaged over the posterior of the gate.

        Args:
            x: features [m d] in the units and order of the training data.
        """
        pred = self.predict(x)
        return jnp.exp(logsumexp(pred.log_weight, axis=0))[:-1].T

    def responsibilities(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        protocol_weights: ArrayLike | None = None,
    ) -> Float[Array, "m k"]:
        """p(protocol | x, y) of every row, from this row alone.

        Args:
            x: features [m d] in the units and order of the training data.
            y: targets [m] in the unit of the training data.
            noise_variance: as for `predict`.
            protocol_weights: as for `predict`; with one more than there are protocols, the
                result has a last column with the probability of a new protocol.

        Raises:
            DataError: as for `predict`, or `y` is not finite or has the wrong shape.
        """
        pred = self.predict(
            x, noise_variance=noise_variance, protocol_weights=protocol_weights
        )
        y = np.asarray(y, pred.location.dtype)
        if y.shape != pred.shape or not np.all(np.isfinite(y)):
            raise DataError(
                f"y must have one finite number for each of {pred.shape[0]} rows; got "
                f"shape {y.shape}, {np.sum(~np.isfinite(y))} of them not finite"
            )
        every = _predict.responsibilities(pred, jnp.asarray(y))
        return every[:, : self._num_columns(protocol_weights)]

    def identify(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        protocol_weights: ArrayLike | None = None,
    ) -> Float[Array, " k"]:
        """Protocol of a new cell: p(protocol | all rows of the cell together).

        All rows of the cell share one function, so that its uncertainty counts once and
        not once per row. The prior probability of a protocol is the mean of the gate over
        the rows of the cell, or `protocol_weights`.

        Args:
            x: features of the measurements of the cell [m d].
            y: their targets [m].
            noise_variance: measured variance of each, for the `Known` noise model.
            protocol_weights: as for `responsibilities`.

        Example:
            >>> import jax
            >>> from battprob.models import BayesianLinear, ProtocolMixture
            >>> rate = np.linspace(0, 1, 40)
            >>> y = np.where(np.arange(40) % 2 == 0, rate, 1 - rate) + 0.01 * np.sin(
            ...     99 * rate
            ... )
            >>> model = ProtocolMixture(BayesianLinear(), num_protocols=2)
            >>> posterior = model.fit(Dataset(rate, y), key=jax.random.key(0))
            >>> bool(posterior.identify([0.9, 1.0], [0.9, 1.0]).max() > 0.99)
            True
        """
        cell = Dataset(
            x,
            y,
            noise_variance=noise_variance,
            feature_names=self.dataset.feature_names,
            transform=self.dataset.transform,
        )
        rows = standardise(cell, self.scaling)
        log_weight = self.predict(x, protocol_weights=protocol_weights).log_weight
        # For each draw, the mean of the gate over the rows (not normalised).
        log_prior = logsumexp(log_weight, axis=2)
        probability = _predict.identify(self._draws, self.data, rows, log_prior)
        return probability[: self._num_columns(protocol_weights)]

    def _num_columns(self, protocol_weights):
        if protocol_weights is None:
            return self.num_protocols
        checked_weights(protocol_weights, self.num_protocols)
        return len(np.asarray(protocol_weights))

    @property
    def _draws(self) -> Any:
        return _predict.MixtureDraws(
            self.draws, self.solutions, self.training_responsibilities
        )

    def _standardised_predict(self, rows):
        return _predict.predict(self._draws, self.data, rows.x, rows.known)

    def _standardised_functions(self, rows, key, num):
        return _predict.sample_functions(self._draws, self.data, rows.x, key, num)
