"""Laplace approximation of circuits, with the noise model integrated out.

One spectrum is fitted by a function of arrays that is vmapped over the batch:

1. Starting values are computed from the spectrum (`_starting_values`). A short
   Levenberg-Marquardt search runs from each of them, and the best result is kept.
2. Three times: the variance over frequency is computed at the fitted spectrum, its
   logits are estimated by their evidence, and the parameters are refined under it.
3. The posterior is a mixture over the nodes of the noise model (`_marginal`).

During a refinement the variance is that of the *fitted* spectrum and does not change.
The information that the variance itself contains about the parameters (of the relative
order of the noise squared) is neglected here; `NUTS` includes it.
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import FitError
from battprob._modules import replace
from battprob._padding import bucket, first_rows, pad_rows
from battprob._typing import Array, Bool, Complex, Float, Int
from battprob.eis._default_prior import default_prior
from battprob.eis._gaussian_mixture import GaussianMixture
from battprob.eis._identifiability import decade_cost
from battprob.eis._joint_density import laplace_batch
from battprob.eis._levenberg import Minimum, Objective, levenberg
from battprob.eis._marginal import Marginal, marginal, narrowed, scale_mixture
from battprob.eis._starting_values import (
    block_indices,
    exchangeable,
    starting_values,
    time_weights,
)
from battprob.eis._unconstrained import derivatives_of_values, to_values
from battprob.eis.inference import AbstractCircuitInference
from battprob.eis.likelihood import ComplexNormal
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.problem import with_sharding_of
from battprob.eis.variance import logit_bounds, relative_variance
from battprob.inference.report import FitReport, stopwatch

_SEARCH_STEPS = 10
_REFINEMENT_STEPS = 60
_REFINEMENTS = 3
_CHUNK = 64  # divides every bucket above it


class Laplace(AbstractCircuitInference):
    """Gaussian in the (log) parameters given the noise model, which is integrated out.

    Args:
        num_starts: number of starting values for every spectrum.

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    num_starts: int = eqx.field(default=5, static=True)

    def run(self, problem, *, key):
        with stopwatch() as watch:
            result = jax.block_until_ready(_fit_batch(problem, key, self.num_starts))
            if not isinstance(problem.likelihood, ComplexNormal):
                mixture, converged = laplace_batch(problem, result.mixture)
                result = result._replace(mixture=mixture, converged=converged)
        _check_finite(result, watch)
        posterior = CircuitPosterior(
            problem.network,
            problem.noise,
            problem.likelihood,
            result.mixture,
            FitReport(converged=True, message=""),
            problem.single,
        )
        return replace(posterior, report=_report(posterior, result, watch))


class _Result(NamedTuple):
    mixture: GaussianMixture
    converged: Bool[Array, " n"]
    steps: Int[Array, " n"]


class _Iteration(NamedTuple):
    """A refined fit, the noise model around it, and the box of its logits."""

    fit: Minimum
    noise: Marginal
    box: tuple[Float[Array, " q"], Float[Array, " q"]]
    weight: Float[Array, " r"]
    mean: Complex[Array, " f"]


def _fit_batch(problem, key, num_starts):
    """Fit all spectra; the batch is padded, so that similar sizes share one program."""
    count = len(problem.impedance)
    padded = tuple(
        pad_rows(a, bucket(count)) for a in (problem.impedance, problem.guess)
    )
    impedance, guess = with_sharding_of(padded, problem.impedance)
    # Other likelihoods start from this Gaussian fit to their approximate impedances.
    problem = replace(
        problem,
        likelihood=ComplexNormal(),
        measured=impedance,
        impedance=impedance,
        guess=guess,
        single=False,  # a single spectrum shares the program of a batch
    )
    return first_rows(_fit_padded(problem, key, num_starts), count)


@eqx.filter_jit
def _fit_padded(problem, key, num_starts):
    one = partial(_fit_one, problem, key=key, num_starts=num_starts)
    # A chunk fits into the cache, and only its own slowest fit delays it. The strided
    # chunks take an equal number of spectra from every device of a sharded batch.
    count = len(problem.impedance)
    chunk = min(_CHUNK, count)
    chunks = jax.tree.map(
        lambda a: a.reshape(chunk, count // chunk, *a.shape[1:]).swapaxes(0, 1),
        (problem.impedance, problem.guess),
    )
    result = jax.lax.map(lambda rows: jax.vmap(one)(*rows), chunks)
    return jax.tree.map(lambda a: a.swapaxes(0, 1).reshape(count, *a.shape[2:]), result)


def _fit_one(problem, impedance, guess, *, key, num_starts):
    network, noise, frequency = problem.network, problem.noise, problem.frequency_hz
    omega = 2 * jnp.pi * frequency
    box = logit_bounds(noise, impedance, frequency)
    middle = 0.5 * (box[0] + box[1])
    weight = 1 / relative_variance(noise, middle, impedance, frequency).ravel()
    objective = Objective(
        partial(_model, network, omega),
        _stack(impedance),
        weight,
        default_prior(network, omega, impedance),
    )
    starts = starting_values(network, omega, impedance, weight, key=key, num=num_starts)
    starts = jnp.concatenate([guess, starts])

    def iterate(state, max_steps):
        starts, weight, inner = state
        weighted = objective._replace(weight=weight)
        fits = jax.vmap(lambda z: levenberg(weighted, z, max_steps))(starts)
        value = jnp.where(jnp.isfinite(fits.value), fits.value, jnp.inf)
        fit = jax.tree.map(lambda leaf: leaf[jnp.argmin(value)], fits)
        z = _in_order(network, fit.z, guess)
        marginals, mean = marginal(objective, z, frequency, noise, inner)
        logits, narrower = narrowed(marginals, inner)
        weight = 1 / relative_variance(noise, logits, mean, frequency).ravel()
        starts = jnp.broadcast_to(z, starts.shape)
        return (starts, weight, narrower), _Iteration(
            fit, marginals, inner, weight, mean
        )

    # One scan, so that the search and the refinements share one compiled program.
    max_steps = jnp.array([_SEARCH_STEPS] + [_REFINEMENT_STEPS] * _REFINEMENTS)
    state = starts, objective.weight, box
    _, iterations = jax.lax.scan(iterate, state, max_steps)
    last = jax.tree.map(lambda leaf: leaf[-1], iterations)
    mixture = _mixture(network, omega, objective, last, box)
    converged = last.fit.converged & jnp.isfinite(mixture.log_evidence)
    return _Result(mixture, converged, iterations.fit.steps.sum())


def _mixture(network, omega, objective, last, box):
    """The posterior of the last iteration: a mixture over logits and variance scale."""
    fit, marginals, inner, weight, mean = last
    scale, log_weight = scale_mixture(marginals)
    # The prior of the logits is uniform in the first box; the nodes fill the last one.
    log_volume = jnp.sum(jnp.log(inner[1] - inner[0]) - jnp.log(box[1] - box[0]))
    log_evidence = (
        logsumexp(marginals.log_weight)
        - jnp.log(len(marginals.log_weight))
        + log_volume
    )
    return GaussianMixture(
        location=marginals.location,
        covariance=marginals.covariance,
        logits=marginals.logits,
        variance_scale=scale,
        log_weight=log_weight,
        prior_mean=objective.prior.mean,
        prior_sd=objective.prior.sd,
        log_evidence=log_evidence,
        decade_cost=decade_cost(
            partial(_profile_likelihood, objective, weight, network, omega),
            fit.z,
            marginals.covariance[jnp.argmax(marginals.log_weight)],
        ),
        residual_correlation=_lag_one(objective.target - _stack(mean), weight),
    )


def _profile_likelihood(objective, weight, network, omega, z):
    """Log likelihood of parameters with the variance scale at its maximum."""
    values = to_values(z, tuple(network.free_parameters.values()))
    residual = objective.target - _stack(network.evaluate(values, omega))
    return -0.5 * residual.size * jnp.log(jnp.sum(weight * residual**2))


def _model(network, omega, z):
    """The spectrum [2f] at unconstrained parameters z, and its derivatives [p 2f]."""
    parameters = tuple(network.free_parameters.values())
    mean, gradient = network.evaluate_with_gradient(to_values(z, parameters), omega)
    chain = derivatives_of_values(z, parameters)[:, None]
    return _stack(mean), _stack(gradient) * chain


def _in_order(network, z, guess):
    """Sort exchangeable blocks by their times: ascending, or in the order of the guess.

    Without an order, spectra of a batch could label the same processes differently.
    """
    indices = block_indices(network)
    weights = jnp.asarray(time_weights(network), z.dtype)
    times = weights @ z
    for group in exchangeable(network):
        rank = jnp.arange(len(group))
        if len(guess):
            guessed = (weights @ guess[0])[np.array(group)]
            rank = jnp.argsort(jnp.argsort(guessed))
        source = jnp.argsort(times[np.array(group)])[rank]
        blocks = jnp.stack([z[np.array(indices[i])] for i in group])[source]
        z = z.at[np.concatenate([indices[i] for i in group])].set(blocks.ravel())
    return z


def _stack(z):
    return jnp.concatenate([z.real, z.imag], axis=-1)


def _lag_one(residual, weight):
    """Lag-one correlation of residuals, in its standard deviations for white noise."""
    white = (residual * jnp.sqrt(weight)).reshape(2, -1)
    correlation = jnp.sum(white[:, 1:] * white[:, :-1]) / jnp.sum(white**2)
    return correlation * white.size**0.5


def _check_finite(result, watch):
    failed = np.flatnonzero(~np.isfinite(np.asarray(result.mixture.log_evidence)))
    if failed.size:
        report = FitReport(
            converged=False,
            message=f"no starting values led to a finite misfit in {failed.size} "
            f"spectra, first in spectrum {failed[0]}: check its values and the "
            "constants of the circuit",
            seconds_compile=watch.compile,
            seconds_run=watch.run,
        )
        raise FitError(report.message, report)


def _report(posterior, result, watch):
    return FitReport(
        converged=bool(np.all(result.converged)),
        message=posterior.summary(np.asarray(result.converged)),
        steps=int(result.steps.sum()),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
