"""Spectra of one cell over cycles, states of charge or time, smoothed jointly.

Every unconstrained parameter is a random walk whose rate q maximises the evidence,

    x_{i+1} - x_i ~ N(0, q (t_{i+1} - t_i))

The likelihood of a spectrum is a Gaussian in all parameters: its posterior divided by
its prior, correlations included. The joint posterior then has a block-tridiagonal
precision. A Kalman filter forward and a Rauch-Tung-Striebel smoother backward are exact
for it, at a cost that is linear in the number of spectra.

References:
    Rauch, Tung and Striebel, AIAA J. 3 (1965) 1445, doi:10.2514/3.3166.
"""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._modules import replace
from battprob._numerics.bfgs import minimise
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.eis._gaussian_mixture import GaussianMixture, moments
from battprob.eis.circuit import Circuit
from battprob.eis.posterior import CircuitPosterior

_USUAL_CHANGE = 0.3  # prior median of the change of a log parameter over the sequence
_CHANGE_SD = 3.0  # its prior standard deviation, e-folds
_DIFFERENT = 5.0  # standard deviations from the neighbours that call for another fit


class GaussianLikelihoods(NamedTuple):
    """Likelihoods exp(-½ xᵀ precision x + xᵀ shift) of n spectra, and the prior of x.

    This information form also describes a spectrum that does not determine all
    parameters: its precision is singular.
    """

    precision: Float[Array, "n p p"]
    shift: Float[Array, "n p"]
    prior_mean: Float[Array, " p"]
    prior_sd: Float[Array, " p"]


def fit_sequence(
    circuit: Circuit,
    location: ArrayLike,
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    *,
    key: PRNGKey,
    guess: Mapping[str, float] | None = None,
) -> CircuitPosterior:
    """Posterior of a circuit along a sequence of spectra that changes smoothly.

    All spectra are fitted as a batch. Those whose parameters differ clearly from their
    neighbours' are fitted again from the neighbours' values; the fit with the higher
    evidence is kept. Then `smooth` combines them.

    Args:
        circuit: circuit with its noise model, likelihood and inference.
        location: cycle numbers, hours or states of charge, ascending, shape [spectra].
        frequency_hz: positive frequencies in Hz, shape [f].
        impedance_ohm: complex impedances in ohm, shape [spectra f].
        key: PRNG key.
        guess: starting values, as in `Circuit.fit`.

    Raises:
        DataError: the locations do not ascend, or as in `Circuit.fit`.
        FitError: as in `Circuit.fit`.

    Example:
        >>> circuit = Circuit("R0-p(R1,C1)")  # doctest: +SKIP
        >>> aged = fit_sequence(circuit, cycle, f, z, key=key)  # doctest: +SKIP
        >>> aged.interval(0.9)["R1"]  # doctest: +SKIP
    """
    separate = circuit.fit(frequency_hz, impedance_ohm, key=key, guess=guess)
    table = separate.parameters
    usual = _running_median(np.asarray(table.value))
    distance = np.abs(np.asarray(table.value) - usual)
    different = np.flatnonzero(
        np.any(distance > _DIFFERENT * np.asarray(table.sd), axis=1)
    )
    if different.size:
        spectra = np.asarray(impedance_ohm)[different]
        again = circuit.fit(frequency_hz, spectra, key=key, guess=usual[different])
        separate = _with_better(separate, again, different)
    return smooth(separate, location)


def smooth(posterior: CircuitPosterior, location: ArrayLike) -> CircuitPosterior:
    """Smooth a batch of spectra: each parameter is a random walk along `location`.

    Args:
        posterior: posterior of a batch of spectra, fitted separately.
        location: cycle numbers, hours or states of charge, ascending, shape [spectra].

    Raises:
        DataError: a single spectrum, or locations that do not ascend.
    """
    at = np.asarray(location, float)
    if posterior.single or at.shape != (len(posterior.mixture.location),):
        raise DataError(
            "a sequence needs a location for each spectrum of a batch; got locations "
            f"of shape {at.shape}"
        )
    if not np.all(np.diff(at) > 0):
        wrong = int(np.flatnonzero(~(np.diff(at) > 0))[0])
        raise DataError(
            f"locations must ascend: {at[wrong]:g} is followed by {at[wrong + 1]:g}; "
            "sort the spectra, and fit repeats at one location as a batch"
        )
    mixture = posterior.mixture
    step = jnp.asarray(np.diff(at) / (at[-1] - at[0]), mixture.location.dtype)
    location, covariance = _smoothed_mixture(mixture, step)
    mixture = replace(mixture, location=location, covariance=covariance)
    return replace(posterior, mixture=mixture)


@eqx.filter_jit
def _smoothed_mixture(mixture, step):
    """Locations and covariances of the components, equal in all of a spectrum."""
    mean, covariance = _smoothed_batch(gaussian_likelihoods(mixture), step)
    weight = jnp.exp(mixture.log_weight)
    scale = jnp.sum(weight * mixture.variance_scale, axis=(-2, -1))
    # The covariances of a mixture are those for s² = 1.
    unit_covariance = (covariance / scale[:, None, None])[:, None]
    return (
        jnp.broadcast_to(mean[:, None], mixture.location.shape),
        jnp.broadcast_to(unit_covariance, mixture.covariance.shape),
    )


@eqx.filter_jit
def gaussian_likelihoods(mixture: GaussianMixture) -> GaussianLikelihoods:
    """The posteriors of a batch divided by their priors."""
    mean, covariance = moments(mixture)
    posterior_precision = jnp.linalg.inv(covariance)
    prior_precision = jax.vmap(jnp.diag)(1 / mixture.prior_sd**2)
    # For what the data do not determine the difference is zero up to the average over
    # the noise model, which can make it slightly negative.
    value, axes = jnp.linalg.eigh(posterior_precision - prior_precision)
    value = jnp.maximum(value, 0.0)
    precision = (axes * value[:, None, :]) @ jnp.swapaxes(axes, -1, -2)
    shift = jnp.einsum("nij,nj->ni", precision, mean)
    return GaussianLikelihoods(
        precision,
        shift,
        mixture.prior_mean.mean(0),
        jnp.sqrt((mixture.prior_sd**2).mean(0)),
    )


@eqx.filter_jit
def _smoothed_batch(likelihoods, step):
    """Smooth with the rates of highest evidence, under a weak prior of each rate."""
    usual = 2 * np.log(_USUAL_CHANGE)

    def loss(log_rate):
        _, evidence = filter_forward(likelihoods, step, jnp.exp(log_rate))
        deviation = (log_rate - usual) / (2 * _CHANGE_SD)
        return -evidence + 0.5 * jnp.sum(deviation**2)

    start = jnp.full_like(likelihoods.prior_mean, usual)
    rate = jnp.exp(minimise(loss, start).x)
    return smooth_backward(filter_forward(likelihoods, step, rate)[0], step, rate)


def filter_forward(
    likelihoods: GaussianLikelihoods,
    step: Float[Array, " m"],
    rate: Float[Array, " p"],
) -> tuple[tuple[Float[Array, "n p"], Float[Array, "n p p"]], Float[Array, ""]]:
    """Posterior of each spectrum given it and those before it, and the log evidence.

    Args:
        likelihoods: likelihoods of the spectra, and the prior.
        step: distances between neighbours.
        rate: q of every parameter, variance per unit of distance.
    """
    eye = jnp.eye(rate.size, dtype=rate.dtype)

    def advance(state, inputs):
        mean, covariance = state
        distance, precision, shift = inputs
        covariance = covariance + jnp.diag(distance * rate)
        innovation = shift - precision @ mean
        # (covariance⁻¹ + precision)⁻¹ without inverting a singular precision.
        mixing = eye + covariance @ precision
        covariance = jnp.linalg.solve(mixing, covariance)
        covariance = 0.5 * (covariance + covariance.T)
        move = covariance @ innovation
        evidence = (
            jnp.dot(shift, mean)
            - 0.5 * jnp.dot(mean, precision @ mean)
            - 0.5 * jnp.linalg.slogdet(mixing)[1]
            + 0.5 * jnp.dot(innovation, move)
        )
        state = mean + move, covariance
        return state, (state, evidence)

    start = likelihoods.prior_mean, jnp.diag(likelihoods.prior_sd**2)
    distance = jnp.concatenate([jnp.zeros(1, step.dtype), step])
    _, (path, evidence) = jax.lax.scan(
        advance, start, (distance, likelihoods.precision, likelihoods.shift)
    )
    return path, evidence.sum()


def smooth_backward(
    path: tuple[Float[Array, "n p"], Float[Array, "n p p"]],
    step: Float[Array, " m"],
    rate: Float[Array, " p"],
) -> tuple[Float[Array, "n p"], Float[Array, "n p p"]]:
    """Means and covariances given all spectra, from those of `filter_forward`."""

    def retreat(later, inputs):
        mean, covariance, distance = inputs
        predicted = covariance + jnp.diag(distance * rate)
        gain = jnp.linalg.solve(predicted, covariance).T
        state = (
            mean + gain @ (later[0] - mean),
            covariance + gain @ (later[1] - predicted) @ gain.T,
        )
        return state, state

    last = path[0][-1], path[1][-1]
    _, (mean, covariance) = jax.lax.scan(
        retreat, last, (path[0][:-1], path[1][:-1], step), reverse=True
    )
    return (
        jnp.concatenate([mean, last[0][None]]),
        jnp.concatenate([covariance, last[1][None]]),
    )


def _running_median(values):
    """Median of each spectrum and two neighbours on either side."""
    count = len(values)
    window = np.arange(count)[:, None] + np.arange(-2, 3)[None]
    return np.median(values[np.clip(window, 0, count - 1)], axis=1)


def _with_better(first, second, rows):
    """`first`, with the rows in which `second` has the higher evidence replaced."""
    better = np.asarray(second.log_evidence > first.log_evidence[rows])
    mixture = jax.tree.map(
        lambda a, b: a.at[rows[better]].set(b[better]), first.mixture, second.mixture
    )
    return replace(first, mixture=mixture)
