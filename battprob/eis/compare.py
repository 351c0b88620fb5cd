"""Comparison of circuits by log evidence and leave-one-frequency-out scores."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from tqdm import tqdm

from battprob._errors import DataError
from battprob._numerics.psis import smoothed_log_weights
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.eis._gaussian_mixture import widened_draws
from battprob.eis._unconstrained import to_values
from battprob.eis.circuit import Circuit
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.variance import relative_variance

_DRAWS = 1000
# Without one frequency the posterior is wider; the draws must cover its tails.
_WIDENING = 1.5

SHORT_LIST = (
    "R0-p(R1,CPE1)",
    "R0-p(R1,CPE1)-W1",
    "R0-p(R1,CPE1)-p(R2,CPE2)",
    "R0-p(R1,CPE1)-p(R2,CPE2)-W1",
    "R0-p(R1,CPE1)-p(R2,CPE2)-Wo1",
    "R0-p(R1,CPE1)-p(R2,CPE2)-p(R3,CPE3)",
    "R0-p(R1,CPE1)-p(R2,CPE2)-p(R3,CPE3)-W1",
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Candidate circuits in the given order, with their fits and scores.

    Arrays have the circuits on their last axis, the spectra of a batch before it.

    Attributes:
        circuits: texts of the circuits.
        posteriors: fits of the circuits.
        log_evidence: log marginal likelihoods (Laplace approximation).
        probability: posterior probabilities of the circuits for equal prior ones.
        loo: log predictive density of each frequency left out, summed over frequencies.
        loo_k: largest Pareto shape k; above 0.7 `loo` is unreliable.
    """

    circuits: tuple[str, ...]
    posteriors: tuple[CircuitPosterior, ...]
    log_evidence: Float[Array, "*n c"]
    probability: Float[Array, "*n c"]
    loo: Float[Array, "*n c"]
    loo_k: Float[Array, "*n c"]

    @property
    def best(self) -> CircuitPosterior:
        """The fit of the circuit with the highest evidence, summed over a batch."""
        total = np.asarray(self.log_evidence).reshape(-1, len(self.circuits)).sum(0)
        return self.posteriors[int(np.argmax(total))]

    def __str__(self):
        width = max(map(len, self.circuits))
        lines = [f"{'circuit':{width}}  log evidence  probability        LOO  Pareto k"]
        columns = (self.log_evidence, self.probability, self.loo, self.loo_k)
        rows = zip(*(np.atleast_2d(c).mean(0) for c in columns), strict=True)
        for text, (evidence, probability, loo, k) in zip(
            self.circuits, rows, strict=True
        ):
            lines.append(
                f"{text:{width}}  {evidence:12.2f}  {probability:11.3f}  {loo:9.2f}"
                f"  {k:8.2f}"
            )
        return "\n".join(lines)


def compare(
    circuits: Sequence[Circuit | str] | None,
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    *,
    key: PRNGKey,
) -> Comparison:
    """Fit candidate circuits to the same spectra and compare them.

    Args:
        circuits: candidates, each with its own noise model, likelihood and inference; a
            text stands for `Circuit(text)`. None for `SHORT_LIST`, from one ZARC
            element to three, with and without diffusion.
        frequency_hz: positive frequencies in Hz, shape [f].
        impedance_ohm: complex impedances in ohm, shape [f] or [spectra f].
        key: PRNG key.

    Raises:
        DataError: no candidate, or the arrays are not spectra.
        FitError: the fit of a candidate failed.

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415;
        Vehtari, Gelman and Gabry, Stat. Comput. 27 (2017) 1413,
        doi:10.1007/s11222-016-9696-4.
    """
    candidates = SHORT_LIST if circuits is None else tuple(circuits)
    if not candidates:
        raise DataError(
            "compare needs at least one circuit; pass None for the short list"
        )
    parsed = [c if isinstance(c, Circuit) else Circuit(c) for c in candidates]
    posteriors, scores = [], []
    for circuit in tqdm(parsed, unit="circuit", disable=None):
        key_fit, key_loo = jax.random.split(key)
        fitted = circuit.fit(frequency_hz, impedance_ohm, key=key_fit)
        posteriors.append(fitted)
        scores.append(leave_one_out(fitted, frequency_hz, impedance_ohm, key=key_loo))
    log_evidence = jnp.stack([p.log_evidence for p in posteriors], axis=-1)
    return Comparison(
        tuple(map(str, parsed)),
        tuple(posteriors),
        log_evidence,
        jax.nn.softmax(log_evidence, axis=-1),
        jnp.stack([score for score, _ in scores], axis=-1),
        jnp.stack([k for _, k in scores], axis=-1),
    )


def leave_one_out(
    posterior: CircuitPosterior,
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    *,
    key: PRNGKey,
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Sum over frequencies of log p(Z_f | the others), and the largest Pareto shape k.

    By Pareto-smoothed importance sampling. The weights also correct the difference
    between the Gaussian approximation of the posterior and the exact posterior.

    Args:
        posterior: fit of the spectra.
        frequency_hz: frequencies in Hz, shape [f].
        impedance_ohm: complex impedances in ohm, shape [f] or [spectra f].
        key: PRNG key.
    """
    real = jnp.result_type(float)
    impedance = jnp.atleast_2d(jnp.asarray(impedance_ohm))
    frequency = jnp.asarray(frequency_hz, real)
    total, k = _leave_one_out(posterior, frequency, impedance, key)
    return (total[0], k[0]) if posterior.single else (total, k)


@eqx.filter_jit
def _leave_one_out(posterior, frequency, impedance, key):
    keys = jax.random.split(key, len(impedance))
    one = partial(_loo_one, posterior, frequency)
    return jax.lax.map(lambda row: one(*row), (posterior.mixture, impedance, keys))


def _loo_one(posterior, frequency, mixture, impedance, key):
    draws = widened_draws(mixture, key, _DRAWS, factor=_WIDENING)
    parameters = tuple(posterior.network.free_parameters.values())

    def log_likelihood(z, logits, variance_scale):
        mean = posterior.network.evaluate(
            to_values(z, parameters), 2 * jnp.pi * frequency
        )
        h = relative_variance(posterior.noise, logits, mean, frequency)
        return posterior.likelihood.log_prob(impedance, mean, variance_scale * h)

    def log_prior(z):
        return -0.5 * jnp.sum(((z - mixture.prior_mean) / mixture.prior_sd) ** 2)

    noise = draws.logits, draws.variance_scale
    pointwise = jax.vmap(log_likelihood)(draws.z, *noise)
    at_centre = jax.vmap(log_likelihood)(draws.centre, *noise)
    # Log ratio of the exact posterior to the Gaussian from which z was drawn.
    log_ratio = (pointwise - at_centre).sum(1)
    log_ratio = log_ratio + jax.vmap(log_prior)(draws.z)
    log_ratio = log_ratio - jax.vmap(log_prior)(draws.centre)
    log_ratio = log_ratio + draws.half_square
    log_weight, k = jax.vmap(
        lambda left_out: smoothed_log_weights(log_ratio - left_out)
    )(pointwise.T)
    score = logsumexp(log_weight + pointwise.T, axis=1)
    return score.sum(), k.max()
