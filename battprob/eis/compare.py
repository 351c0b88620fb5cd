"""Which circuit? Log evidence and leave-one-frequency-out scores, side by side."""

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
from battprob.eis._nodes import draws_with_noise
from battprob.eis._scales import to_values
from battprob.eis.circuit import Circuit
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.variance import relative_variance

_DRAWS = 1000
_BROADER = 1.5  # leaving a frequency out widens the posterior; draws must reach there

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
    """Circuits in the order given, and what speaks for each.

    Arrays have the circuits on their last axis, the spectra of a batch before it.

    Attributes:
        circuits: their strings.
        posteriors: their fits.
        log_evidence: log marginal likelihood (Laplace).
        probability: posterior probabilities, the circuits being equally likely before.
        loo: expected log density of a frequency left out, summed over frequencies.
        loo_k: largest Pareto shape; above 0.7 that sum is not to be trusted.
    """

    circuits: tuple[str, ...]
    posteriors: tuple[CircuitPosterior, ...]
    log_evidence: Float[Array, "*n c"]
    probability: Float[Array, "*n c"]
    loo: Float[Array, "*n c"]
    loo_k: Float[Array, "*n c"]

    @property
    def best(self) -> CircuitPosterior:
        """The fit of the circuit of most evidence, summed over a batch."""
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
    """Fit candidate circuits to the same spectra, and weigh them.

    Args:
        circuits: candidates; None for a short list that grows from one ZARC to three,
            with and without a diffusion tail.
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: complex, in Ohm, [f] or [spectra f].
        key: PRNG key.

    Raises:
        DataError: no candidate, or the arrays are not spectra.

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415;
        Vehtari, Gelman and Gabry, Stat. Comput. 27 (2017) 1413,
        doi:10.1007/s11222-016-9696-4.
    """
    candidates = SHORT_LIST if circuits is None else tuple(circuits)
    if not candidates:
        raise DataError("compare needs a circuit or more; None takes the short list")
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
    """Sum over frequencies of log p(Z_f | the others), and the largest Pareto shape.

    Pareto-smoothed importance sampling; the weights also turn the posterior's Gaussian
    draws into draws of the exact one.
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
    return jax.lax.map(lambda row: one(*row), (posterior.nodes, impedance, keys))


def _loo_one(posterior, frequency, nodes, impedance, key):
    draws = draws_with_noise(nodes, key, _DRAWS, broader=_BROADER)
    parameters = tuple(posterior.network.free_parameters.values())

    def log_likelihood(z, shape, level):
        mean = posterior.network.evaluate(
            to_values(z, parameters), 2 * jnp.pi * frequency
        )
        h = relative_variance(posterior.noise, shape, mean, frequency)
        return posterior.likelihood.log_prob(impedance, mean, level * h)

    def log_prior(z):
        return -0.5 * jnp.sum(((z - nodes.prior_mean) / nodes.prior_sd) ** 2)

    pointwise = jax.vmap(log_likelihood)(draws.z, draws.shape, draws.level)
    at_centre = jax.vmap(log_likelihood)(draws.centre, draws.shape, draws.level)
    exact = (pointwise - at_centre).sum(1)
    exact = exact + jax.vmap(log_prior)(draws.z) - jax.vmap(log_prior)(draws.centre)
    ratio = exact + draws.half_square
    log_weight, k = jax.vmap(lambda own: smoothed_log_weights(ratio - own))(pointwise.T)
    score = logsumexp(log_weight + pointwise.T, axis=1)
    return score.sum(), k.max()
