"""Mixtures of protocols: which part of the scatter an unrecorded variable causes."""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.scipy.special import logsumexp
from tqdm import tqdm

from battprob._errors import DataError
from battprob._padding import pad_rows
from battprob._typing import Array, ArrayLike, Float
from battprob._validation import UNKNOWN
from battprob.dataset import Dataset
from battprob.inference import MAP, AbstractInference, FitReport
from battprob.inference.report import stopwatch
from battprob.models._linear_rows import bound_prior
from battprob.models._mixture import answers, summed
from battprob.models._mixture.bound import (
    MixtureData,
    MixtureParameters,
    shares_of_new_rows,
)
from battprob.models._mixture.climb import settled_shares
from battprob.models._mixture.experts import LinearExpert, ProcessExpert
from battprob.models._mixture.failures import failures
from battprob.models._mixture.gates import (
    AbstractGate,
    ConstantGate,
)
from battprob.models._mixture.search import around, initial, search
from battprob.models._protocols import checked_weights
from battprob.models.base import (
    AbstractModel,
    AbstractPosterior,
    Scaling,
    bound,
    prepare,
    standardise,
)
from battprob.models.gp import GaussianProcess
from battprob.models.linear import BayesianLinear
from battprob.noise import AbstractNoise
from battprob.noise.latent import has_weights
from battprob.predictive import Predictive


class ProtocolMixture(AbstractModel):
    r"""Rows come from several protocols that were not all recorded: a curve for each.

    $u \mid x \sim \text{gate}$,  $y \mid x, u = k \sim N(f_k(x), \sigma^2_k(x))$, the
    functions f_k independent a priori. Between-protocol variance is aleatoric while the
    protocol of a new row is not known (`between`), and gone once it is
    (`predict(x, protocol=k)`).

    `Dataset(protocol=...)` says which rows' protocols are known (numbers from 0; -1 not
    known): none, some or all. A protocol with a known row keeps its number; the others are
    numbered in increasing order of the mean of their function over the training rows, on
    the model's scale, so that no two orders of the same protocols are ever mixed.

    Functions are integrated out; shares of rows in protocols, gate and hyper-parameters
    are found by variational expectation-maximisation, started side by side from many
    guesses. The hyper-parameters and the gate then keep a Gaussian posterior of their own,
    whose draws make up part of what is epistemic.

    Args:
        expert: `BayesianLinear` (without random effects) or `GaussianProcess`, a
            specification of what each protocol's rows follow. Any noise head but
            `LatentGP` and `StudentT`.
        num_protocols: how many; or "auto": one to five, weighed by their evidence, of
            which the likeliest number is taken (`posterior.number_probabilities`).
        gate: p(protocol | x): `ConstantGate()`, the default, or
            `SoftmaxGate(features)`.
        shared: whether all experts have the same hyper-parameters, noise included. With
            few rows a protocol, this is the safer choice.
        inference: None, the default, as said above. Or, for linear experts, any inference
            (`NUTS()`) on the density with protocols summed out, which also knows how
            unsure it is of which row is on which protocol.
        num_starts: guesses that the search starts from.
        progress: show a bar on terminals while numbers of protocols are tried.

    What failed is told in `posterior.report.message`: a protocol that no row is on, or
    two that are one.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 40)
        >>> y = x + np.tile([0.0, 3.0], 20) + 0.1 * np.cos(40 * x)
        >>> model = ProtocolMixture(BayesianLinear(), num_protocols=2)
        >>> posterior = model.fit(Dataset(x, y), key=jax.random.key(0))
        >>> pred = posterior.predict([0.5])
        >>> bool(pred.between[0] > 100 * pred.within[0])
        True
        >>> bool(abs(posterior.predict([0.5], protocol=1).mean[0] - 3.5) < 0.1)
        True

    References:
        Lázaro-Gredilla, Van Vaerenbergh and Lawrence, Overlapping mixtures of Gaussian
        processes, Pattern Recognition 45 (2012) 1386, doi:10.1016/j.patcog.2011.10.004;
        here with a gate, noise heads and linear experts.
    """

    expert: BayesianLinear | GaussianProcess
    num_protocols: int | Literal["auto"] = eqx.field(static=True)
    gate: AbstractGate
    inference: AbstractInference | None
    shared: bool = eqx.field(static=True)
    num_starts: int = eqx.field(static=True)
    progress: bool = eqx.field(static=True)

    def __init__(
        self,
        expert: BayesianLinear | GaussianProcess,
        num_protocols: int | Literal["auto"] = "auto",
        gate: AbstractGate | None = None,
        *,
        shared: bool = False,
        inference: AbstractInference | None = None,
        num_starts: int = 20,
        progress: bool = True,
    ):
        number = num_protocols == "auto" or (
            isinstance(num_protocols, int) and num_protocols >= 1
        )
        if not number or num_starts < 1:
            raise ValueError(
                'num_protocols must be "auto" or 1 or more, num_starts 1 or more; got '
                f"{num_protocols!r} and {num_starts}"
            )
        self.expert, self.num_protocols = expert, num_protocols
        self.gate = ConstantGate() if gate is None else gate
        self.shared, self.inference = shared, inference
        self.num_starts, self.progress = num_starts, progress

    @property
    def noise(self) -> AbstractNoise:
        """The noise head of every expert."""
        return self.expert.noise

    def fit(self, dataset, *, key):
        self._require_possible()
        scaling, rows = prepare(dataset, self.noise)
        dataset = _with_protocols(dataset)
        most = _MOST if self.num_protocols == "auto" else self.num_protocols
        least = _require_labels(dataset, most)
        gate = self.gate.bind(dataset.feature_names, most)
        gate = jax.tree.map(lambda leaf: leaf.astype(rows.y.dtype), gate)
        expert = _expert(self.expert, dataset, len(rows.y))
        parameters = initial(expert, gate, most, shared=self.shared)
        data = _data(dataset, rows, most)
        numbers = range(max(least, 1), most + 1)
        numbers = numbers if self.num_protocols == "auto" else [most]
        bar = tqdm(
            numbers,
            "protocols",
            disable=None if self.progress and len(numbers) > 1 else True,
        )
        key_search, key_draws = jax.random.split(key)
        normals = _normals(parameters, key_draws, rows.y.dtype)
        with stopwatch() as watch:
            tried = [
                search(
                    parameters,
                    data,
                    number,
                    normals,
                    key=key_search,
                    num_starts=self.num_starts,
                )
                for number in bar
            ]
        evidence = np.array([found.log_evidence for found in tried])
        found = tried[int(np.argmax(evidence))]
        report = _report(found, self.num_starts, watch)
        number = np.full(most, -np.inf)
        number[[len(own.share) - 1 for own in tried]] = evidence - logsumexp(evidence)
        if self.inference is None:
            draws, mode, num = found.draws, found.parameters, 2 * len(normals)
            normals = normals[:, : ravel_pytree(mode)[0].size]
            share = jnp.broadcast_to(found.share[None], (num, *found.share.shape))
        else:
            draws, share, own = _summed_draws(self.inference, found, key_draws)
            mode, normals, report = None, None, _joined(own, report)
        return ProtocolMixturePosterior(
            draws=draws,
            share=share,
            solved=answers.solve(draws, found.data, share),
            data=found.data,
            mode=mode,
            normals=normals,
            log_number=jnp.asarray(number, rows.y.dtype),
            log_evidences=jnp.asarray([found.log_evidence], rows.y.dtype),
            scaling=scaling,
            dataset=dataset,
            report=report,
        )

    def _require_possible(self):
        expert = self.expert
        if not isinstance(expert, BayesianLinear | GaussianProcess):
            raise DataError(
                "expert must be BayesianLinear(...) or GaussianProcess(...); got "
                f"{type(expert).__name__}"
            )
        if has_weights(self.noise):
            raise DataError(
                "ProtocolMixture cannot integrate a LatentGP out: use noise.LogLinear()"
            )
        linear = isinstance(expert, BayesianLinear)
        if isinstance(expert, BayesianLinear) and expert.random_effects:
            raise DataError(
                "experts have no random effects: use groups outside of the mixture, or "
                "BayesianLinear(random_effects=...) alone"
            )
        own = expert.inference is not None if linear else expert.inference != MAP()
        if own:
            raise DataError(
                "the experts' inference is the mixture's: leave the expert's out and say "
                "ProtocolMixture(inference=...)"
            )
        if self.inference is not None and not linear:
            raise DataError(
                "protocols are summed out for linear experts only: with GaussianProcess "
                "experts leave inference out"
            )


class ProtocolMixturePosterior(AbstractPosterior[Predictive]):
    """A fitted mixture; its answers have a component for every protocol, and one more.

    The last component is a protocol that training did not have: its function follows the
    prior that the experts' hyper-parameters define, its noise is their average. It has no
    weight unless asked for (`protocol="new"`, or one more of `protocol_weights`).
    """

    draws: MixtureParameters
    share: Float[Array, "s k n"]
    solved: tuple[Float[Array, "s k q"], Float[Array, "s k p p"]]
    data: MixtureData
    mode: MixtureParameters | None
    normals: Float[Array, "h z"] | None
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
        dataset = _with_protocols(dataset)
        _require_labels(dataset, self.num_protocols)
        new = _data(dataset, new_rows, self.num_protocols)
        together = self.dataset.append(dataset)
        data = _data(together, standardise(together, self.scaling), self.num_protocols)
        sizes = (self.dataset.num_rows, dataset.num_rows, len(data.labels))
        if self.mode is None or self.normals is None:
            added = answers.shares_by_draw(self.draws, self.data, self.share, new)
            draws, evidence = self.draws, math.nan
            share = _side_by_side(self.share, added, *sizes)
        else:
            old = self.share[0]
            added = shares_of_new_rows(self.mode, self.data, old, new)
            share = _side_by_side(old, added, *sizes)
            share = settled_shares(self.mode, data, share)
            # The modes stay; how sure they are grows with the rows.
            draws, evidence = around(self.mode, data, share, self.normals)
            evidence = evidence + math.lgamma(_num_free(data) + 1)
            share = jnp.broadcast_to(share[None], (len(self.share), *share.shape))
        return ProtocolMixturePosterior(
            draws=draws,
            share=share,
            solved=answers.solve(draws, data, share),
            data=data,
            mode=self.mode,
            normals=self.normals,
            log_number=self.log_number,
            log_evidences=jnp.asarray([evidence], data.rows.y.dtype),
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


def _expert(spec, dataset, num_rows):
    if isinstance(spec, GaussianProcess):
        kernel, noise = bound((spec.kernel, spec.noise), dataset)
        return ProcessExpert(kernel=kernel, noise=noise)
    (noise,) = bound((spec.noise,), dataset)
    prior = bound_prior(spec.prior, dataset, num_rows)
    return LinearExpert(prior=prior, noise=noise)


def _with_protocols(dataset):
    if dataset.protocol is not None:
        return dataset
    unknown = jnp.asarray(np.full(dataset.num_rows, UNKNOWN, np.int32))
    where = {"where": lambda data: data.protocol, "is_leaf": lambda leaf: leaf is None}
    return eqx.tree_at(pytree=dataset, replace=unknown, **where)


def _require_labels(dataset, most):
    """How many protocols the known ones need at least."""
    labels = np.asarray(dataset.protocol)[np.asarray(dataset.mask)]
    if np.any(labels >= most):
        raise DataError(
            f"row {np.argmax(labels >= most)} is on protocol {labels.max()}, but there are "
            f"{most}, numbered from 0: raise num_protocols"
        )
    return int(labels.max()) + 1


def _data(dataset, rows, num):
    labels = np.asarray(pad_rows(dataset.protocol, len(rows.y)))
    labels = np.where(np.asarray(rows.mask), labels, UNKNOWN)
    return MixtureData(rows, jnp.asarray(labels), jnp.ones(num, rows.y.dtype))


def _num_free(data):
    known = np.unique(np.asarray(data.labels))
    return len(np.setdiff1d(np.arange(len(data.active)), known))


def _side_by_side(old, new, num_old, num_new, length):
    """Shares of old and new rows on one axis, padding after both."""
    parts = (np.asarray(old)[..., :num_old], np.asarray(new)[..., :num_new])
    joined = np.concatenate(parts, axis=-1)
    room = [(0, 0)] * (joined.ndim - 1) + [(0, length - joined.shape[-1])]
    return jnp.asarray(np.pad(joined, room))


def _report(found, num_starts, watch):
    rows = ", ".join(f"{count:.1f}" for count in np.asarray(found.share).sum(1))
    state = "found" if found.converged else "stopped short"
    message = f"best of {num_starts} starts {state}; rows on each protocol: {rows}"
    return FitReport(
        converged=found.converged,
        message="; ".join([message, *failures(found)]),
        steps=found.steps,
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )


def _joined(own, report):
    """The report of draws, and what was said of where they started."""
    return FitReport(
        converged=own.converged and report.converged,
        message=f"{own.message}; {report.message}",
        steps=own.steps + report.steps,
        r_hat=own.r_hat,
        ess=own.ess,
        divergences=own.divergences,
        seconds_compile=own.seconds_compile + report.seconds_compile,
        seconds_run=own.seconds_run + report.seconds_run,
    )


def _normals(parameters, key, dtype):
    """Normal numbers that draws of all hyper-parameters are made of."""
    num = _DRAWS_OF_PROCESSES if parameters.is_process else _DRAWS
    size = ravel_pytree(parameters)[0].size
    return jax.random.normal(key, (num // 2, size), dtype)


def _summed_draws(inference, found, key):
    key_run, key_shares = jax.random.split(key)
    start = summed.start(found.parameters, found.data, found.share, found.free)
    draws, report = inference.run(summed.log_joint, start, found.data, key=key_run)
    share = summed.drawn_shares(draws, found.data, key_shares)
    return draws.mixture, share, report


_MOST = 5
_DRAWS, _DRAWS_OF_PROCESSES = 32, 8
