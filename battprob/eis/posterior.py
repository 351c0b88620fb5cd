"""`CircuitPosterior`: posterior of a circuit's parameters; predictions of spectra."""

import collections
import itertools
import os
from collections.abc import Callable, Mapping
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._files.serialise import save
from battprob._modules import replace
from battprob._padding import one_row
from battprob._typing import Array, ArrayLike, Bool, Float, PRNGKey
from battprob.eis._gaussian_mixture import GaussianMixture, draw, moments, quantiles
from battprob.eis._identifiability import FLAT, tied_parameters
from battprob.eis._unconstrained import to_values
from battprob.eis.coordinates import Coordinates
from battprob.eis.likelihood import AbstractLikelihood
from battprob.eis.network import Network
from battprob.eis.table import ParameterTable
from battprob.eis.variance import AbstractVariance, relative_variance
from battprob.inference.report import FitReport
from battprob.predictive import Predictive

_ONE_SD = 0.6826894921370859  # probability within one sd of a Gaussian
_DECADE_SD = 0.7  # log-scale sd at which a 90 % interval spans a decade
_INTERVAL_COST = 1.35  # log likelihood lost at the ends of a Gaussian 90 % interval
_CORRELATED = 4.0  # standard deviations of the correlation of white residuals


class CircuitPosterior(eqx.Module):
    """Posterior of a circuit given one spectrum, or of each of a batch [n].

    Made by `Circuit.fit`. For a single spectrum no array has the axis n.

    Attributes:
        network: the fitted circuit, without error model.
        noise: model of the variance over frequency.
        likelihood: distribution of the recorded values.
        mixture: posterior of the unconstrained parameters.
        report: how the fit went, and what is not identified.
    """

    network: Network
    noise: AbstractVariance
    likelihood: AbstractLikelihood
    mixture: GaussianMixture
    report: FitReport = eqx.field(static=True)
    single: bool = eqx.field(static=True)

    def __getitem__(self, row: int) -> "CircuitPosterior":
        """The posterior of one spectrum of a batch."""
        if self.single:
            raise DataError(
                "this is the posterior of one spectrum, not of a batch: use it without [...]"
            )
        return replace(self, mixture=one_row(self.mixture, row), single=True)

    @property
    def parameters(self) -> ParameterTable:
        """Median, standard deviation, unit and correlation of every parameter.

        The standard deviation is half the width of the central 68.3 % interval.
        """
        return ParameterTable(self.network.names, self.network.units, *_table(self))

    @property
    def identified(self) -> Bool[Array, "*n p"]:
        """Whether the data determine each parameter.

        A parameter is not identified if its posterior is at least half as wide as its
        prior, if its 90 % interval spans a decade, or if the likelihood hardly changes
        when it changes by a decade up or down.
        """
        return self._unbatched(_identified(self.mixture))[0]

    @property
    def coordinates(self) -> Coordinates:
        """Logarithms of the parameters (logits between two bounds) as features."""
        return Coordinates(self.network.names, *self._unbatched(*moments(self.mixture)))

    @property
    def log_evidence(self) -> Float[Array, "*n"]:
        """Log marginal likelihood, up to a constant that all circuits share."""
        return self._unbatched(self.mixture.log_evidence)[0]

    def interval(
        self, level: float = 0.9
    ) -> dict[str, tuple[Float[Array, "*n"], Float[Array, "*n"]]]:
        """Central intervals (low, high) of probability `level`, by parameter name."""
        ends = _interval(self, np.array(_central(level)))
        return dict(zip(self.network.names, ends, strict=True))

    def sample(self, *, key: PRNGKey, num: int) -> dict[str, Float[Array, "num *n"]]:
        """Joint draws of the parameters, by name."""
        return dict(zip(self.network.names, _draws(self, key, num), strict=True))

    def derived(
        self,
        function: Callable[[Mapping[str, Array]], Array],
        *,
        key: PRNGKey,
        num: int = 1000,
    ) -> Float[Array, "num *n"]:
        """Draws of a quantity computed from the parameters.

        Args:
            function: function of the parameters by name, for example
                `lambda p: (p["R1"] * p["CPE1_0"]) ** (1 / p["CPE1_1"])`.
            key: PRNG key.
            num: number of draws.
        """
        return function(self.sample(key=key, num=num))

    def predict(self, frequency_hz: ArrayLike) -> Predictive:
        """Predictive of a new measurement of (Re, Im) in ohm, shape [f 2] or [n f 2].

        The noise is aleatoric and the uncertainty of the parameters epistemic. The
        latter is propagated by linearising the circuit at each component of the
        posterior.

        Args:
            frequency_hz: positive frequencies in Hz, in any order.

        Raises:
            DataError: `frequency_hz` is not a list of numbers.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        if frequency.ndim != 1:
            raise DataError(
                "frequency_hz must be a list of frequencies in Hz; got "
                f"{frequency.shape}"
            )
        mean, aleatoric, epistemic, weights = _predict(self, frequency)
        return Predictive(mean, aleatoric, epistemic, weights)

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back.

        Args:
            path: file to write; an existing file is replaced.

        Raises:
            DataError: an element of your own is not registered: write
                `@battprob.register` directly above its function, below `@element(...)`.
        """
        save(self, path)

    def summary(self, converged: Bool[np.ndarray, " n"]) -> str:
        """Convergence and verdict of a fit in one line.

        Args:
            converged: whether the fit of each spectrum converged.
        """
        return (
            f"{converged.sum()} of {converged.size} spectra converged; {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """Parameters that are not identified, and misfits, in one line."""
        counts = collections.Counter(
            "residuals correlated over frequency (misfit)"
            for wrong in self._misfitting()
            if wrong
        )
        for row in ~np.asarray(_identified(self.mixture)):
            names = itertools.compress(self.network.names, row)
            counts.update(f"{name} not identified" for name in names)
        counts.update(sentence for row in self._tied() for sentence in row)
        parts = [
            text if self.single else f"{text} in {count}"
            for text, count in counts.most_common()
        ]
        return "; ".join(parts) or "every parameter identified, no misfit"

    @property
    def tied(self) -> list[str] | list[list[str]]:
        """Sentences on parameters of which only a combination is determined."""
        return self._unbatched(self._tied())[0]

    @property
    def misfitting(self) -> Bool[Array, "*n"]:
        """Whether residuals at neighbouring frequencies are correlated: a misfit."""
        return self._unbatched(jnp.asarray(self._misfitting()))[0]

    def _tied(self):
        _, covariance = moments(self.mixture)
        return [
            tied_parameters(self.network.names, *row)
            for row in zip(
                np.asarray(covariance),
                np.asarray(_identified(self.mixture)),
                strict=True,
            )
        ]

    def _misfitting(self):
        return np.asarray(self.mixture.residual_correlation) > _CORRELATED

    def _unbatched(self, *arrays):
        return [a[0] for a in arrays] if self.single else list(arrays)


def _central(level):
    return 0.5 * (1 - level), 0.5 * (1 + level)


def _parameters(posterior):
    return tuple(posterior.network.free_parameters.values())


def _quantiles(posterior, p):
    """Quantiles of the parameters [levels n p]."""
    z = quantiles(posterior.mixture, jnp.asarray(p, jnp.result_type(float)))
    return to_values(z, _parameters(posterior))


@eqx.filter_jit
def _table(posterior):
    """Medians, standard deviations, correlations, and what is identified."""
    median, low, high = _quantiles(posterior, np.array([0.5, *_central(_ONE_SD)]))
    _, covariance = moments(posterior.mixture)
    sd = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
    correlation = covariance / (sd[..., :, None] * sd[..., None, :])
    identified = _identified(posterior.mixture)
    return posterior._unbatched(median, 0.5 * (high - low), correlation, identified)


@eqx.filter_jit
def _identified(mixture):
    _, covariance = moments(mixture)
    sd = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
    narrow = sd < jnp.minimum(FLAT * mixture.prior_sd, _DECADE_SD)
    return narrow & (mixture.decade_cost > _INTERVAL_COST)


@eqx.filter_jit
def _interval(posterior, p):
    """Low and high quantiles of each parameter."""
    low, high = posterior._unbatched(*_quantiles(posterior, p))
    return [(low[..., i], high[..., i]) for i in range(low.shape[-1])]


@eqx.filter_jit
def _draws(posterior, key, num):
    """Draws of each parameter, [num n]."""
    keys = jax.random.split(key, len(posterior.mixture.location))
    z, *_ = jax.vmap(partial(draw, num=num))(posterior.mixture, keys)
    (drawn,) = posterior._unbatched(to_values(z, _parameters(posterior)))
    return list(jnp.moveaxis(drawn, (-1, -2), (0, 1)))


@eqx.filter_jit
def _predict(posterior, frequency):
    """Fields of the Predictive: each [components 1 n f 2], or [components 1 f 2]."""
    parameters = _parameters(posterior)
    omega = 2 * jnp.pi * frequency

    def spectrum(z):
        z = posterior.network.evaluate(to_values(z, parameters), omega)
        return jnp.stack([z.real, z.imag], axis=-1)

    def component(z, covariance, logits):
        mean, push = jax.linearize(spectrum, z)
        gradient = jax.vmap(push)(jnp.eye(z.size, dtype=z.dtype))
        function = jnp.sum(
            gradient * jnp.tensordot(covariance, gradient, axes=1), axis=0
        )
        complex_mean = jax.lax.complex(mean[:, 0], mean[:, 1])
        h = relative_variance(posterior.noise, logits, complex_mean, frequency)
        noise = posterior.likelihood.rectangular_variance(complex_mean, h)
        return mean, noise.T, function

    mixture = posterior.mixture
    mean, h, function = jax.vmap(jax.vmap(component))(
        mixture.location, mixture.covariance, mixture.logits
    )
    scale = mixture.variance_scale[..., None, None]
    joint = (scale.shape[0], -1, *mean.shape[-2:])
    fields = (mean, scale * h[:, :, None], scale * function[:, :, None])
    mean, noise, function = (
        jnp.broadcast_to(
            a if a.ndim == scale.ndim else a[:, :, None],
            (*scale.shape[:3], *mean.shape[-2:]),
        ).reshape(joint)
        for a in fields
    )
    weight = mixture.log_weight - logsumexp(
        mixture.log_weight, axis=(-2, -1), keepdims=True
    )
    weight = jnp.broadcast_to(weight.reshape(joint[0], -1, 1, 1), mean.shape)
    # The axes of draws and components come first in a Predictive, then the batch.
    fields = [jnp.moveaxis(a, -3, 0)[:, None] for a in (mean, noise, function, weight)]
    return [a[:, :, 0] for a in fields] if posterior.single else fields
