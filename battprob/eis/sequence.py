r"""Spectra of one cell over cycles, states of charge or time: neighbours inform each other.

Every parameter walks at random on its unconstrained scale, $x_{i+1} - x_i \sim
N(0, q\,(t_{i+1} - t_i))$, its rate q found by evidence. What a spectrum alone says of all
parameters is a Gaussian, its posterior divided by its prior, correlations included; so
the joint posterior has a block-tridiagonal precision, and one pass forwards and one back
(Kalman; Rauch, Tung and Striebel) are exact for it at a cost that grows with the number
of spectra.

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
from battprob.eis._nodes import Nodes, moments
from battprob.eis.circuit import Circuit
from battprob.eis.posterior import CircuitPosterior

_USUAL_CHANGE = 0.3  # of a log parameter over the whole sequence, before any data
_CHANGE_SPREAD = 3.0  # e-folds
_APART = 5.0  # standard deviations from the neighbours that call for another fit


class Messages(NamedTuple):
    """What each spectrum alone says, exp(-½ xᵀ precision x + xᵀ shift), and the prior."""

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

    All spectra are fitted side by side; those that end apart from their neighbours are
    fitted once more from where these are, and keep what has more evidence; then `smooth`.

    Args:
        circuit: fitted to every spectrum.
        location: cycle numbers, hours or states of charge, rising, shape [spectra].
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: complex, in Ohm, shape [spectra f].
        key: PRNG key.
        guess: as in `Circuit.fit`.

    Raises:
        DataError: the locations do not rise, or as in `Circuit.fit`.

    Example:
        >>> circuit = Circuit("R0-p(R1,C1)")  # doctest: +SKIP
        >>> aged = fit_sequence(circuit, cycle, f, z, key=key)  # doctest: +SKIP
        >>> aged.interval(0.9)["R1"]  # doctest: +SKIP
    """
    alone = circuit.fit(frequency_hz, impedance_ohm, key=key, guess=guess)
    usual = _running_median(np.asarray(alone.parameters.value))
    off = np.abs(np.asarray(alone.parameters.value) - usual)
    apart = np.flatnonzero(
        np.any(off > _APART * np.asarray(alone.parameters.sd), axis=1)
    )
    if apart.size:
        spectra = np.asarray(impedance_ohm)[apart]
        again = circuit.fit(frequency_hz, spectra, key=key, guess=usual[apart])
        alone = _with_better(alone, again, apart)
    return smooth(alone, location)


def smooth(posterior: CircuitPosterior, location: ArrayLike) -> CircuitPosterior:
    """The posterior of a batch of spectra, each parameter a random walk along `location`.

    Args:
        posterior: of spectra fitted side by side.
        location: rising, shape [spectra].

    Raises:
        DataError: one spectrum only, or locations that do not rise.
    """
    at = np.asarray(location, float)
    if posterior.single or at.shape != (len(posterior.nodes.location),):
        raise DataError(
            "a sequence needs a location for each spectrum of a batch; got locations of "
            f"shape {at.shape}"
        )
    if not np.all(np.diff(at) > 0):
        wrong = int(np.flatnonzero(~(np.diff(at) > 0))[0])
        raise DataError(
            f"locations must rise: {at[wrong]:g} is followed by {at[wrong + 1]:g}; sort "
            "the spectra, and fit repeats at one location as a batch"
        )
    nodes = posterior.nodes
    said = messages(nodes)
    step = jnp.asarray(np.diff(at) / (at[-1] - at[0]), nodes.location.dtype)
    mean, covariance = _smoothed_batch(said, step)
    level = jnp.sum(jnp.exp(nodes.log_weight) * nodes.level, axis=(-2, -1))
    shared = (covariance / level[:, None, None])[:, None]
    return replace(
        posterior,
        nodes=replace(
            nodes,
            location=jnp.broadcast_to(mean[:, None], nodes.location.shape),
            covariance=jnp.broadcast_to(shared, nodes.covariance.shape),
        ),
    )


@eqx.filter_jit
def messages(nodes: Nodes) -> Messages:
    """Divide the priors out of the posteriors of a batch."""
    mean, covariance = moments(nodes)
    own = jnp.linalg.inv(covariance)
    prior = 1 / nodes.prior_sd**2
    # What no data bear on has the prior's precision, but for the noise's averaging.
    value, axes = jnp.linalg.eigh(own - jax.vmap(jnp.diag)(prior))
    value = jnp.maximum(value, 0.0)
    precision = (axes * value[:, None, :]) @ jnp.swapaxes(axes, -1, -2)
    shift = jnp.einsum("nij,nj->ni", precision, mean)
    return Messages(
        precision,
        shift,
        nodes.prior_mean.mean(0),
        jnp.sqrt((nodes.prior_sd**2).mean(0)),
    )


@eqx.filter_jit
def _smoothed_batch(said, step):
    """Smooth at the rates of most evidence, by a weak prior of the change in all."""
    usual = 2 * np.log(_USUAL_CHANGE)

    def loss(log_rate):
        _, evidence = filtered(said, step, jnp.exp(log_rate))
        away = (log_rate - usual) / (2 * _CHANGE_SPREAD)
        return -evidence + 0.5 * jnp.sum(away**2)

    start = jnp.full_like(said.prior_mean, usual)
    rate = jnp.exp(minimise(loss, start).x)
    return backwards(filtered(said, step, rate)[0], step, rate)


def filtered(
    said: Messages, step: Float[Array, " m"], rate: Float[Array, " p"]
) -> tuple[tuple[Float[Array, "n p"], Float[Array, "n p p"]], Float[Array, ""]]:
    """What each spectrum and those before it say, and the log evidence of the rates.

    Args:
        said: of every spectrum alone.
        step: distances between neighbours.
        rate: q of every parameter, per unit of distance.
    """
    eye = jnp.eye(rate.size, dtype=rate.dtype)

    def advance(state, inputs):
        mean, covariance = state
        grown, precision, shift = inputs
        covariance = covariance + jnp.diag(grown * rate)
        surprise = shift - precision @ mean
        mixing = eye + covariance @ precision
        covariance = jnp.linalg.solve(mixing, covariance)
        covariance = 0.5 * (covariance + covariance.T)
        gained = covariance @ surprise
        evidence = (
            jnp.dot(shift, mean)
            - 0.5 * jnp.dot(mean, precision @ mean)
            - 0.5 * jnp.linalg.slogdet(mixing)[1]
            + 0.5 * jnp.dot(surprise, gained)
        )
        state = mean + gained, covariance
        return state, (state, evidence)

    start = said.prior_mean, jnp.diag(said.prior_sd**2)
    grown = jnp.concatenate([jnp.zeros(1, step.dtype), step])
    _, (path, evidence) = jax.lax.scan(
        advance, start, (grown, said.precision, said.shift)
    )
    return path, evidence.sum()


def backwards(
    path: tuple[Float[Array, "n p"], Float[Array, "n p p"]],
    step: Float[Array, " m"],
    rate: Float[Array, " p"],
) -> tuple[Float[Array, "n p"], Float[Array, "n p p"]]:
    """What all spectra say of each: means and covariances from those of `filtered`."""

    def retreat(later, inputs):
        mean, covariance, grown = inputs
        ahead = covariance + jnp.diag(grown * rate)
        gain = jnp.linalg.solve(ahead, covariance).T
        state = (
            mean + gain @ (later[0] - mean),
            covariance + gain @ (later[1] - ahead) @ gain.T,
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
    """Of each spectrum and two neighbours on either side."""
    count = len(values)
    window = np.arange(count)[:, None] + np.arange(-2, 3)[None]
    return np.median(values[np.clip(window, 0, count - 1)], axis=1)


def _with_better(first, second, rows):
    """`first`, with the rows for which `second` found more evidence."""
    better = np.asarray(second.log_evidence > first.log_evidence[rows])
    taken = jax.tree.map(
        lambda a, b: a.at[rows[better]].set(b[better]), first.nodes, second.nodes
    )
    return replace(first, nodes=taken)
