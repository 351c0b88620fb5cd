"""Mixture of regression models, one for each protocol that was not recorded."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from tqdm import tqdm

from battprob._errors import DataError, FitError
from battprob.inference.base import AbstractInference
from battprob.inference.report import stopwatch
from battprob.models._fields import require_used_fields
from battprob.models._scaling import prepare
from battprob.models.base import AbstractModel
from battprob.models.linear.regression import BayesianLinear
from battprob.models.mixture import _marginal, _predict
from battprob.models.mixture._data import (
    bound_expert,
    mixture_data,
    num_labelled_protocols,
    with_protocols,
)
from battprob.models.mixture._fit import MixtureFit, fit_mixture
from battprob.models.mixture._laplace import standard_normals
from battprob.models.mixture._parameters import initial_parameters
from battprob.models.mixture._report import joined, report_of
from battprob.models.mixture.gates import AbstractGate, ConstantGate
from battprob.models.mixture.posterior import ProtocolMixturePosterior
from battprob.models.process.exact import Exact
from battprob.models.process.model import GaussianProcess
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights

_MAX_AUTO_PROTOCOLS = 5


class ProtocolMixture(AbstractModel):
    r"""Mixture of experts for rows of several protocols that were not all recorded.

    $u \mid x \sim \text{gate}$,  $y \mid x, u = k \sim N(f_k(x), \sigma^2_k(x))$.

    While the protocol u of a new row is unknown, the variance between protocols is
    aleatoric (`between`); it vanishes if the protocol is given (`predict(x, protocol=k)`).

    The protocols have a hierarchical prior. Slopes of linear experts are correlated, and
    their intercepts vary with a common standard deviation; both numbers are inferred.
    The hyper-parameters of each expert (noise, and kernel of a process) deviate from
    those of an average expert by factors of about e^±½. A protocol that is not in the
    training data (`protocol="new"`) has the same prior. Functions of Gaussian processes
    are independent given their hyper-parameters.

    `Dataset(protocol=...)` has the known protocols of none, some or all rows (numbers
    from 0; -1 if unknown). Protocols with a labelled row keep their numbers. The others
    are numbered in increasing order of the mean of their function over the training rows,
    on the model's scale. This makes the protocols identifiable: draws with different
    orders of the same protocols are never mixed.

    The functions are integrated out. Variational EM from several initialisations finds
    responsibilities, gate and hyper-parameters. Gate and hyper-parameters then have a
    Gaussian posterior around this mode (Laplace's approximation), which contributes to
    the epistemic variance.

    Args:
        expert: `BayesianLinear` or `GaussianProcess`, the model of the rows of each
            protocol, with any noise model except `LatentGP` and `StudentT`, and without
            random effects.
        num_protocols: number of protocols. "auto" fits one to five and takes the number
            with the largest evidence (`posterior.number_probabilities`).
        gate: p(protocol | x); default `ConstantGate()`.
        shared: whether all experts have the same hyper-parameters, noise included.
        inference: None, the default, for EM as described above. For linear experts any
            inference (`NUTS()`) may be given; it explores the density with the protocols
            summed out, which includes the uncertainty of the protocol of each row.
        num_starts: number of initialisations of EM.
        progress: show a progress bar while several numbers of protocols are fitted.

    `posterior.report.message` names protocols without rows and protocols that coincide.

    Raises:
        ValueError: `num_protocols` or `num_starts` is below 1.

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
        here with a gate, noise models and linear experts.
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
        is_number = isinstance(num_protocols, int) and num_protocols >= 1
        if not (is_number or num_protocols == "auto") or num_starts < 1:
            raise ValueError(
                'num_protocols must be "auto" or at least 1, and num_starts at least 1; '
                f"got {num_protocols!r} and {num_starts}"
            )
        self.expert, self.num_protocols = expert, num_protocols
        self.gate = ConstantGate() if gate is None else gate
        self.shared, self.inference = shared, inference
        self.num_starts, self.progress = num_starts, progress

    @property
    def noise(self) -> AbstractNoise:
        """Noise model of the experts."""
        return self.expert.noise

    def uses(self, field):
        used = {"noise_variance": self.noise.uses_known(), "protocol": True}
        return used.get(field, False)

    def fit(self, dataset, *, key) -> ProtocolMixturePosterior:
        require_used_fields(self, dataset)
        self._require_supported()
        scaling, rows = prepare(dataset, self.noise)
        dataset = with_protocols(dataset)
        key_em, key_draws = jax.random.split(key)
        parameters, data = self._initial(dataset, rows)
        normals = standard_normals(parameters, rows.x.shape[1], key_draws)
        with stopwatch() as watch:
            fits = self._fits(parameters, data, dataset, normals, key_em)
        evidence = np.array([fit.log_evidence for fit in fits])
        best = fits[int(np.argmax(evidence))]
        report = report_of(best, self.num_starts, watch)
        if not np.isfinite(best.log_evidence):
            raise FitError(
                f"EM reached no finite likelihood from any of {self.num_starts} starts: "
                "check the data for extreme values, or reduce num_protocols",
                report,
            )
        draws, responsibilities = _laplace_posterior(best)
        if self.inference is not None:
            draws, responsibilities, sampling = _sampled(
                self.inference, best, key_draws
            )
            report = joined(sampling, report)
        dtype = rows.y.dtype
        # Fits are sorted by their number of protocols; others have probability zero.
        log_number = np.full(self._max_protocols, -np.inf)
        log_number[-len(fits) :] = evidence - logsumexp(evidence)
        return ProtocolMixturePosterior(
            draws=draws,
            training_responsibilities=responsibilities,
            solutions=_predict.solve(draws, best.data, responsibilities),
            data=best.data,
            mode=best.parameters,
            normals=normals,
            sampled=self.inference is not None,
            log_number_probabilities=jnp.asarray(log_number, dtype),
            log_evidences=jnp.asarray([best.log_evidence], dtype),
            scaling=scaling,
            dataset=dataset,
            report=report,
        )

    @property
    def _max_protocols(self) -> int:
        if self.num_protocols == "auto":
            return _MAX_AUTO_PROTOCOLS
        return self.num_protocols

    def _initial(self, dataset, rows):
        """Initial parameters, and rows, with the largest number of protocols."""
        num_protocols = self._max_protocols
        gate = self.gate.bind(dataset.feature_names, num_protocols)
        gate = jax.tree.map(lambda leaf: leaf.astype(rows.y.dtype), gate)
        expert = bound_expert(self.expert, dataset, len(rows.y))
        parameters = initial_parameters(expert, gate, num_protocols, shared=self.shared)
        return parameters, mixture_data(dataset, rows, num_protocols)

    def _fits(self, parameters, data, dataset, normals, key) -> list[MixtureFit]:
        """The fit of each number of protocols to be compared."""
        maximum = self._max_protocols
        minimum = max(num_labelled_protocols(dataset, maximum), 1)
        is_auto = self.num_protocols == "auto"
        numbers = list(range(minimum, maximum + 1)) if is_auto else [maximum]
        # tqdm takes None as "only on terminals".
        disable = None if self.progress and len(numbers) > 1 else True
        return [
            fit_mixture(
                parameters, data, number, normals, key=key, num_starts=self.num_starts
            )
            for number in tqdm(numbers, "protocols", disable=disable)
        ]

    def _require_supported(self):
        expert = self.expert
        if has_weights(self.noise):
            raise DataError(
                "experts cannot have noise.LatentGP: use noise.LogLinear() instead"
            )
        if isinstance(expert, GaussianProcess) and not isinstance(
            expert.solver, Exact | None
        ):
            raise DataError(
                "experts are solved exactly: leave out the solver of GaussianProcess"
            )
        if expert.random_effects:
            raise DataError(
                "experts cannot have random effects: fit BayesianLinear or "
                "GaussianProcess with random_effects without a mixture"
            )
        if expert.inference is not None:
            raise DataError(
                "the inference of the expert is not used: give it to the mixture, "
                "ProtocolMixture(inference=...)"
            )
        if self.inference is not None and isinstance(expert, GaussianProcess):
            raise DataError(
                "inference needs linear experts, for which the protocols are summed "
                "out: leave it out for GaussianProcess experts"
            )


def _laplace_posterior(fit):
    """Draws of Laplace's approximation, all with the responsibilities of EM."""
    num_draws = len(jax.tree.leaves(fit.draws)[0])
    shape = (num_draws, *fit.responsibilities.shape)
    return fit.draws, jnp.broadcast_to(fit.responsibilities[None], shape)


def _sampled(inference, fit, key):
    """Draws of a sampler, a protocol of each row for each draw, and the report."""
    key_run, key_protocols = jax.random.split(key)
    initial = _marginal.initial_marginal(
        fit.parameters, fit.data, fit.responsibilities, fit.free
    )
    draws, report = inference.run(_marginal.log_joint, initial, fit.data, key=key_run)
    responsibilities = _marginal.draw_responsibilities(draws, fit.data, key_protocols)
    return draws.mixture, responsibilities, report
