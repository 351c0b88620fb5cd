"""Fit circuits to spectra: starts from the data, damped Gauss-Newton, marginal noise.

One spectrum is fitted by a function of arrays that is vmapped over the batch:

1. starts found from the spectrum (`battprob.eis.start`), a few short searches, the best
   one polished;
2. twice: the variance over frequency is weighed at the fitted spectrum, its shape
   estimated by its evidence, and the parameters polished under it;
3. the posterior as a mixture over noise shape and level (`battprob.eis._marginal`).

The variance is that of the *fitted* spectrum and held during a polish. What it says by
itself about the parameters (of the relative order of the noise squared) is left out
here and kept by `NUTS`.
"""

from abc import abstractmethod
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import FitError
from battprob._modules import replace
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, Bool, Complex, Float, Int, PRNGKey
from battprob.eis._identify import decade_cost
from battprob.eis._joint import laplace_batch
from battprob.eis._levenberg import Fit, Misfit, levenberg
from battprob.eis._marginal import Marginal, levels, marginal, narrowed
from battprob.eis._nodes import Nodes
from battprob.eis._problem import Problem, placed
from battprob.eis._scales import prior, slopes_of_values, to_values
from battprob.eis.likelihood import ComplexNormal
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.start import block_slices, exchangeable, starts, time_weights
from battprob.eis.variance import relative_variance, shape_box
from battprob.inference.report import FitReport, stopwatch

_SEARCH_STEPS = 10
_POLISH_STEPS = 60
_POLISHES = 3
_AT_ONCE = 64  # divides every bucket above it


class AbstractCircuitInference(eqx.Module):
    """A way from a `Problem` to a `CircuitPosterior`."""

    @abstractmethod
    def run(self, task: Problem, *, key: PRNGKey) -> CircuitPosterior:
        """The posterior of every spectrum of the task."""


class Laplace(AbstractCircuitInference):
    """Gaussian in the (log) parameters given the noise, the noise integrated out.

    Args:
        num_starts: starts searched for every spectrum.
    """

    num_starts: int = eqx.field(default=5, static=True)

    def run(self, task, *, key):
        with stopwatch() as watch:
            found = jax.block_until_ready(_fit_batch(task, key, self.num_starts))
            if not isinstance(task.likelihood, ComplexNormal):
                nodes, converged = laplace_batch(task, found.nodes)
                found = found._replace(nodes=nodes, converged=converged)
        _check_reached(found, watch)
        posterior = CircuitPosterior(
            task.network,
            task.noise,
            task.likelihood,
            found.nodes,
            FitReport(converged=True, message=""),
            task.single,
        )
        return replace(posterior, report=_report(posterior, found, watch))


class _Found(NamedTuple):
    nodes: Nodes
    converged: Bool[Array, " n"]
    steps: Int[Array, " n"]


class _Round(NamedTuple):
    """A polished fit, and the noise weighed there, its shape in a box."""

    fit: Fit
    found: Marginal
    box: tuple[Float[Array, " q"], Float[Array, " q"]]
    weight: Float[Array, " r"]
    mean: Complex[Array, " f"]


def _fit_batch(task, key, num_starts):
    """All spectra, the batch padded so that batches of like size share a program."""
    count = len(task.impedance)
    padded = tuple(pad_rows(a, bucket(count)) for a in (task.impedance, task.guess))
    impedance, guess = placed(padded, task.impedance)
    padded = replace(
        task,
        likelihood=ComplexNormal(),
        measured=impedance,
        impedance=impedance,
        guess=guess,
    )
    found = _fit_padded(padded, key, num_starts)
    return jax.tree.map(lambda leaf: leaf[:count], found)


@eqx.filter_jit
def _fit_padded(task, key, num_starts):
    one = partial(_fit_one, task, key=key, num_starts=num_starts)
    # Chunks stay in the cache, and wait only for the slowest fit among their own.
    # Devices that hold consecutive spectra have a share of every chunk.
    count = len(task.impedance)
    at_once = min(_AT_ONCE, count)
    chunks = jax.tree.map(
        lambda a: a.reshape(at_once, count // at_once, *a.shape[1:]).swapaxes(0, 1),
        (task.impedance, task.guess),
    )
    found = jax.lax.map(lambda chunk: jax.vmap(one)(*chunk), chunks)
    return jax.tree.map(lambda a: a.swapaxes(0, 1).reshape(count, *a.shape[2:]), found)


def _fit_one(task, impedance, guess, *, key, num_starts):
    network, law, frequency = task.network, task.noise, task.frequency_hz
    omega = 2 * jnp.pi * frequency
    box = shape_box(law, impedance, frequency)
    middle = 0.5 * (box[0] + box[1])
    weight = 1 / relative_variance(law, middle, impedance, frequency).ravel()
    misfit = Misfit(
        partial(_model, network, omega),
        _stack(impedance),
        weight,
        prior(network, omega, impedance),
    )
    first = starts(network, omega, impedance, weight, key=key, num=num_starts)
    lanes = jnp.concatenate([guess, first])

    def round_(state, max_steps):
        lanes, weight, inner = state
        weighted = misfit._replace(weight=weight)
        fits = jax.vmap(lambda z: levenberg(weighted, z, max_steps))(lanes)
        value = jnp.where(jnp.isfinite(fits.value), fits.value, jnp.inf)
        fit = jax.tree.map(lambda leaf: leaf[jnp.argmin(value)], fits)
        z = _in_order(network, fit.z, guess)
        found, mean = marginal(misfit, z, frequency, law, inner)
        shape, narrower = narrowed(found, inner)
        h = relative_variance(law, shape, mean, frequency)
        weight = 1 / h.ravel()
        lanes = jnp.broadcast_to(z, lanes.shape)
        return (lanes, weight, narrower), _Round(fit, found, inner, weight, mean)

    max_steps = jnp.array([_SEARCH_STEPS] + [_POLISH_STEPS] * _POLISHES)
    _, rounds = jax.lax.scan(round_, (lanes, misfit.weight, box), max_steps)
    last = jax.tree.map(lambda leaf: leaf[-1], rounds)
    nodes = _nodes(network, omega, misfit, last, box)
    converged = last.fit.converged & jnp.isfinite(nodes.log_evidence)
    return _Found(nodes, converged, rounds.fit.steps.sum())


def _nodes(network, omega, misfit, last, box):
    """The posterior that the last round leaves, as a mixture over shape and level."""
    fit, found, inner, weight, mean = last
    level, log_weight = levels(found)
    share = jnp.sum(jnp.log(inner[1] - inner[0]) - jnp.log(box[1] - box[0]))
    log_evidence = logsumexp(found.log_weight) - jnp.log(len(found.log_weight)) + share
    return Nodes(
        location=found.location,
        covariance=found.covariance,
        shape=found.shape,
        level=level,
        log_weight=log_weight,
        prior_mean=misfit.prior.mean,
        prior_sd=misfit.prior.sd,
        log_evidence=log_evidence,
        decade_cost=decade_cost(
            partial(_profile, misfit, weight, network, omega),
            fit.z,
            found.covariance[jnp.argmax(found.log_weight)],
        ),
        residual_correlation=_lag_one(misfit.target - _stack(mean), weight),
    )


def _profile(misfit, weight, network, omega, z):
    """Log likelihood of parameters, the noise level at its best."""
    values = to_values(z, tuple(network.free_parameters.values()))
    away = misfit.target - _stack(network.evaluate(values, omega))
    return -0.5 * away.size * jnp.log(jnp.sum(weight * away**2))


def _model(network, omega, z):
    """The spectrum [2f] at unconstrained parameters, and its slopes [p 2f]."""
    parameters = tuple(network.free_parameters.values())
    mean, slopes = network.evaluate_with_gradient(to_values(z, parameters), omega)
    return _stack(mean), _stack(slopes) * slopes_of_values(z, parameters)[:, None]


def _in_order(network, z, guess):
    """Exchangeable blocks sorted by their times, ascending or as the guess has them."""
    slices = block_slices(network)
    weights = jnp.asarray(time_weights(network), z.dtype)
    times = weights @ z
    for group in exchangeable(network):
        wanted = jnp.arange(len(group))
        if len(guess):
            by_guess = (weights @ guess[0])[np.array(group)]
            wanted = jnp.argsort(jnp.argsort(by_guess))
        source = jnp.argsort(times[np.array(group)])[wanted]
        parts = jnp.stack([z[np.array(slices[i])] for i in group])[source]
        z = z.at[np.concatenate([slices[i] for i in group])].set(parts.ravel())
    return z


def _stack(z):
    return jnp.concatenate([z.real, z.imag], axis=-1)


def _lag_one(residual, weight):
    """Correlation of neighbouring residuals, in its standard deviations if they are white."""
    white = (residual * jnp.sqrt(weight)).reshape(2, -1)
    correlation = jnp.sum(white[:, 1:] * white[:, :-1]) / jnp.sum(white**2)
    return correlation * white.size**0.5


def _check_reached(found, watch):
    lost = np.flatnonzero(~np.isfinite(np.asarray(found.nodes.log_evidence)))
    if lost.size:
        report = FitReport(
            converged=False,
            message=f"no start reached a finite misfit in {lost.size} spectra, the first being "
            f"row {lost[0]}: look at their values, and at the circuit's constants",
            seconds_compile=watch.compile,
            seconds_run=watch.run,
        )
        raise FitError(report.message, report)


def _report(posterior, found, watch):
    return FitReport(
        converged=bool(np.all(found.converged)),
        message=posterior.summary(np.asarray(found.converged)),
        steps=int(found.steps.sum()),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
