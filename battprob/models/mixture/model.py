"""Mixtures of protocols: which part of the scatter an unrecorded variable causes."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from tqdm import tqdm

from battprob._errors import DataError, FitError
from battprob._parameters import ravel_parameters
from battprob.inference import MAP
from battprob.inference.base import AbstractInference
from battprob.inference.report import stopwatch
from battprob.models._scaling import prepare
from battprob.models.base import AbstractModel
from battprob.models.linear.regression import BayesianLinear
from battprob.models.mixture import _marginal as summed
from battprob.models.mixture import _predict as answers
from battprob.models.mixture._data import (
    bound_expert,
    mixture_data,
    require_labels,
    with_protocols,
)
from battprob.models.mixture._report import joined, report_of
from battprob.models.mixture._search import initial, search
from battprob.models.mixture.gates import AbstractGate, ConstantGate
from battprob.models.mixture.posterior import ProtocolMixturePosterior
from battprob.models.process.exact import GaussianProcess
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights

__all__ = ["ProtocolMixture", "ProtocolMixturePosterior"]


class ProtocolMixture(AbstractModel):
    r"""Rows come from several protocols that were not all recorded: a curve for each.

    $u \mid x \sim \text{gate}$,  $y \mid x, u = k \sim N(f_k(x), \sigma^2_k(x))$.
    Between-protocol variance is aleatoric while the protocol of a new row is not known
    (`between`), and gone once it is (`predict(x, protocol=k)`).

    Protocols are of one kind a priori, and what they have in common is learned. Slopes of
    linear experts correlate, and intercepts scatter, by numbers that the protocols tell
    together; hyper-parameters of each (its noise; of a process its kernel) are typical ones
    times a factor of e^±½ or so. A protocol that training did not have
    (`protocol="new"`) is one more of that kind. Functions of Gaussian processes are
    independent given their hyper-parameters.

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
        shared: whether all experts have the same hyper-parameters, noise included.
        inference: None, the default, as said above. Or, for linear experts, any inference
            (`NUTS()`) on the density with protocols summed out, which also knows how
            unsure it is of which row is on which protocol.
        num_starts: guesses that the search starts from.
        progress: show a bar on terminals while numbers of protocols are tried.

    What failed is told in `posterior.report.message`: a protocol that no row is on, or
    two that are one.

    Example:
        >>> import numpy as np
        >>> from battprob import Dataset
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
        dataset = with_protocols(dataset)
        most = _MOST if self.num_protocols == "auto" else self.num_protocols
        least = require_labels(dataset, most)
        gate = self.gate.bind(dataset.feature_names, most)
        gate = jax.tree.map(lambda leaf: leaf.astype(rows.y.dtype), gate)
        expert = bound_expert(self.expert, dataset, len(rows.y))
        parameters = initial(expert, gate, most, shared=self.shared)
        data = mixture_data(dataset, rows, most)
        key_search, key_draws = jax.random.split(key)
        normals = _normals(parameters, rows.x.shape[1], key_draws, rows.y.dtype)
        with stopwatch() as watch:
            tried = self._tried(parameters, data, least, normals, key_search)
        evidence = np.array([own.log_evidence for own in tried])
        found = tried[int(np.argmax(evidence))]
        report = report_of(found, self.num_starts, watch)
        if not np.isfinite(found.log_evidence):
            raise FitError("no start of the search ended where the density is", report)
        number = np.full(most, -np.inf)
        number[[len(own.share) - 1 for own in tried]] = evidence - logsumexp(evidence)
        draws, sampled = found.draws, self.inference is not None
        share = jnp.broadcast_to(
            found.share[None], (2 * len(normals), *found.share.shape)
        )
        if self.inference is not None:
            draws, share, own = _summed_draws(self.inference, found, key_draws)
            report = joined(own, report)
        return ProtocolMixturePosterior(
            draws=draws,
            share=share,
            solved=answers.solve(draws, found.data, share),
            data=found.data,
            mode=found.parameters,
            normals=normals,
            sampled=sampled,
            log_number=jnp.asarray(number, rows.y.dtype),
            log_evidences=jnp.asarray([found.log_evidence], rows.y.dtype),
            scaling=scaling,
            dataset=dataset,
            report=report,
        )

    def _tried(self, parameters, data, least, normals, key):
        """The best mixture of every number of protocols that is asked for."""
        most = len(data.active)
        numbers = range(max(least, 1), most + 1)
        numbers = numbers if self.num_protocols == "auto" else [most]
        silent = None if self.progress and len(numbers) > 1 else True
        starts = {"key": key, "num_starts": self.num_starts}
        return [
            search(parameters, data, number, normals, **starts)
            for number in tqdm(numbers, "protocols", disable=silent)
        ]

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


def _normals(parameters, num_features, key, dtype):
    """Normal numbers for draws of all hyper-parameters, and again of common slopes."""
    num = _DRAWS_OF_PROCESSES if parameters.is_process else _DRAWS
    size = ravel_parameters(parameters)[0].size + num_features
    return jax.random.normal(key, (num // 2, size), dtype)


def _summed_draws(inference, found, key):
    key_run, key_shares = jax.random.split(key)
    start = summed.start(found.parameters, found.data, found.share, found.free)
    draws, report = inference.run(summed.log_joint, start, found.data, key=key_run)
    share = summed.drawn_shares(draws, found.data, key_shares)
    return draws.mixture, share, report


_MOST = 5
_DRAWS, _DRAWS_OF_PROCESSES = 32, 8
