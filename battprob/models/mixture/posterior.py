"""A fitted mixture: what can be asked of it."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.dataset import Dataset
from battprob.inference.report import FitReport
from battprob.models._scaling import Scaling, standardise
from battprob.models.base import AbstractPosterior
from battprob.models.mixture import _predict as answers
from battprob.models.mixture._bound import (
    MixtureData,
    MixtureParameters,
    shares_of_new_rows,
)
from battprob.models.mixture._data import (
    mixture_data,
    num_free,
    require_labels,
    side_by_side,
    with_protocols,
)
from battprob.models.mixture._em import settled_shares
from battprob.models.mixture._protocols import checked_weights
from battprob.models.mixture._search import around
from battprob.predictive import Predictive


class ProtocolMixturePosterior(AbstractPosterior[Predictive]):
    """A fitted mixture; its answers have a component for every protocol, and one more.

    The last component is a protocol that training did not have: its function departs from
    what those of training have in common as these do from each other, its noise is their
    average. It has no weight unless asked for (`protocol="new"`, or one more of
    `protocol_weights`).
    """

    draws: MixtureParameters
    share: Float[Array, "s k n"]
    solved: tuple[Float[Array, "s k q"], Float[Array, "s k p p"]]
    data: MixtureData
    mode: MixtureParameters
    normals: Float[Array, "h z"]
    sampled: bool = eqx.field(static=True)
    log_number: Float[Array, " r"]
    log_evidences: Float[Array, " one"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    @property
    def num_protocols(self) -> int:
        """How many protocols were found, or asked for."""
        return self.share.shape[1]

    @property
    def number_probabilities(self) -> Float[np.ndarray, " r"]:
        """Posterior probability of 1, 2, ... protocols, all alike a priori."""
        return np.exp(np.asarray(self.log_number))

    @property
    def uses_groups(self):
        return False

    def condition(self, dataset):
        new_rows = standardise(dataset, self.scaling)
        dataset = with_protocols(dataset)
        require_labels(dataset, self.num_protocols)
        new = mixture_data(dataset, new_rows, self.num_protocols)
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        data = mixture_data(together, rows, self.num_protocols)
        sizes = (self.dataset.num_rows, dataset.num_rows, len(data.labels))
        # Of draws that all have the same shares, the mean is these.
        old = self.share.mean(0)
        added = shares_of_new_rows(self.mode, self.data, old, new)
        settled = settled_shares(self.mode, data, side_by_side(old, added, *sizes))
        # The modes stay; how sure they are grows with the rows.
        draws, evidence = around(self.mode, data, settled, self.normals)
        share = jnp.broadcast_to(settled[None], (len(self.share), *settled.shape))
        if self.sampled:
            draws = self.draws
            added = answers.shares_by_draw(draws, self.data, self.share, new)
            share = side_by_side(self.share, added, *sizes)
        evidence = evidence + math.lgamma(num_free(data) + 1)
        return ProtocolMixturePosterior(
            draws=draws,
            share=share,
            solved=answers.solve(draws, data, share),
            data=data,
            mode=self.mode,
            normals=self.normals,
            sampled=self.sampled,
            log_number=self.log_number,
            log_evidences=evidence[None],
            scaling=self.scaling,
            dataset=together,
            report=self.report,
        )

    def protocol_probabilities(self, x: ArrayLike) -> Float[Array, "m k"]:
        """p(protocol | x): the gate, averaged over what is not known of it."""
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
        """p(protocol | x, y) of every row, taken by itself.

        Args:
            x: features [m d].
            y: targets [m], in their own unit.
            noise_variance: see `predict`.
            protocol_weights: see `predict`; with one more than there are protocols, the
                last column is the probability of a protocol that training did not have.
        """
        pred = self.predict(
            x, noise_variance=noise_variance, protocol_weights=protocol_weights
        )
        y = np.asarray(y, pred.location.dtype)
        if y.shape != pred.shape or not np.all(np.isfinite(y)):
            raise DataError(
                f"y must be finite, one for each of {pred.shape[0]} rows; got {y.shape}"
            )
        return answers.responsibilities(pred, jnp.asarray(y))[
            :, : self._columns(protocol_weights)
        ]

    def identify(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        protocol_weights: ArrayLike | None = None,
    ) -> Float[Array, " k"]:
        """Which protocol a new cell is on: p(protocol | all its rows together).

        Its rows share the protocol's function, so that what is not known of it is counted
        once and not once a row. Before its targets count, a protocol is as likely as the
        gate says of its rows on average, or as `protocol_weights` say.

        Args:
            x: features of the cell's measurements so far [m d].
            y: their targets [m].
            noise_variance: measured variance of each, for the `Known` head.
            protocol_weights: see `responsibilities`.

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
        data = self.dataset
        cell = Dataset(
            x,
            y,
            noise_variance=noise_variance,
            feature_names=data.feature_names,
            transform=data.transform,
        )
        rows = standardise(cell, self.scaling)
        log_weight = self.predict(x, protocol_weights=protocol_weights).log_weight
        # The gate of every draw, averaged over the cell's rows.
        prior = logsumexp(log_weight, axis=2)
        found = answers.identify(
            self.draws, self.solved, self.share, self.data, rows, prior
        )
        return found[: self._columns(protocol_weights)]

    def _columns(self, protocol_weights):
        if protocol_weights is None:
            return self.num_protocols
        checked_weights(protocol_weights, self.num_protocols)
        return len(np.asarray(protocol_weights))

    def _standardised_predict(self, x, known, groups):
        del groups
        return answers.predict(self.draws, self.solved, self.share, self.data, x, known)

    def _standardised_functions(self, x, groups, key, num):
        del groups
        state = (self.draws, self.solved, self.share)
        return answers.sample_functions(state, self.data, x, key, num)
