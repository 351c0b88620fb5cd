"""`CircuitPosterior`: what a fit knows of a circuit's parameters, and predicts."""

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
from battprob._typing import Array, ArrayLike, Bool, Float, PRNGKey
from battprob.eis._identify import FLAT, tied_parameters
from battprob.eis._nodes import Nodes, draw, moments, quantiles
from battprob.eis._scales import to_values
from battprob.eis.coordinates import Coordinates
from battprob.eis.likelihood import AbstractLikelihood
from battprob.eis.network import Network
from battprob.eis.table import ParameterTable
from battprob.eis.variance import AbstractVariance, relative_variance
from battprob.inference.report import FitReport
from battprob.predictive import Predictive

_MAD = 0.6826894921370859  # the mass within one sd of a Gaussian
_DECADE = 0.7  # the log-scale sd at which a 90 % interval spans a decade
_CHEAP = 1.35  # log likelihood at the ends of a 90 % interval, below its top
_CORRELATED = 4.0  # standard deviations of the correlation of white residuals


class CircuitPosterior(eqx.Module):
    """Posterior of a circuit given one spectrum, or of each of a batch [n].

    Made by `Circuit.fit`. For a single spectrum no array has the axis n.

    Attributes:
        network: the circuit fitted.
        noise: the law of the variance over frequency.
        likelihood: the law of what was recorded.
        report: how the fit went, and what is not identified.
    """

    network: Network
    noise: AbstractVariance
    likelihood: AbstractLikelihood
    nodes: Nodes
    report: FitReport = eqx.field(static=True)
    single: bool = eqx.field(static=True)

    def __getitem__(self, row: int) -> "CircuitPosterior":
        """The posterior of one spectrum of a batch."""
        if self.single:
            raise DataError("this posterior is of one spectrum: it has no rows")
        own = jax.tree.map(lambda leaf: leaf[row][None], self.nodes)
        return replace(self, nodes=own, single=True)

    @property
    def parameters(self) -> ParameterTable:
        """Median, standard deviation, unit and correlation of every parameter.

        The standard deviation is half the width of the central 68.3 % interval.
        """
        middle, low, high = _quantiles(self, np.array([0.5, *_central(_MAD)]))
        _, covariance = moments(self.nodes)
        sd = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
        correlation = covariance / (sd[..., :, None] * sd[..., None, :])
        return ParameterTable(
            self.network.names,
            self.network.units,
            *self._bare(middle, 0.5 * (high - low), correlation, self._identified()),
        )

    @property
    def identified(self) -> Bool[Array, "*n p"]:
        """Whether the data say how large each parameter is.

        They do not where its posterior is half as wide as its prior, where its 90 %
        interval spans a decade, or where a decade up or down costs no likelihood.
        """
        return self._bare(self._identified())[0]

    @property
    def coordinates(self) -> Coordinates:
        """The parameters as features: their logarithms, or logits between two bounds."""
        return Coordinates(self.network.names, *self._bare(*moments(self.nodes)))

    @property
    def log_evidence(self) -> Float[Array, "*n"]:
        """Log marginal likelihood of the spectrum, up to a constant of all circuits."""
        return self._bare(self.nodes.log_evidence)[0]

    def interval(
        self, level: float = 0.9
    ) -> dict[str, tuple[Float[Array, "*n"], Float[Array, "*n"]]]:
        """Central intervals (low, high) that hold probability `level`, by name."""
        low, high = self._bare(*_quantiles(self, np.array(_central(level))))
        return {
            name: (low[..., i], high[..., i])
            for i, name in enumerate(self.network.names)
        }

    def sample(self, *, key: PRNGKey, num: int) -> dict[str, Float[Array, "num *n"]]:
        """Joint draws of the parameters, by name."""
        (drawn,) = self._bare(_draws(self, key, num))
        values = jnp.moveaxis(drawn, -2, 0)
        return {name: values[..., i] for i, name in enumerate(self.network.names)}

    def derived(
        self,
        function: Callable[[Mapping[str, Array]], Array],
        *,
        key: PRNGKey,
        num: int = 1000,
    ) -> Float[Array, "num *n"]:
        """Draws of a quantity computed from the parameters.

        Args:
            function: of the parameters by name, for example
                `lambda p: (p["R1"] * p["CPE1_0"]) ** (1 / p["CPE1_1"])`.
            key: PRNG key.
            num: how many draws.
        """
        return function(self.sample(key=key, num=num))

    def predict(self, frequency_hz: ArrayLike) -> Predictive:
        """Predictive of a new measurement of (Re, Im) in Ohm, shape [f 2] or [n f 2].

        The noise is aleatoric, the parameters' uncertainty epistemic; the latter goes
        through the circuit linearised at each node of the posterior.

        Args:
            frequency_hz: positive, in Hz, in any order.

        Raises:
            DataError: the frequencies are no list of numbers.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        if frequency.ndim != 1:
            raise DataError(
                f"frequency_hz must be a list of frequencies in Hz; got {frequency.shape}"
            )
        fields = _predict(self, frequency)
        # Draws and components lead in a Predictive; the batch of spectra follows.
        fields = [jnp.moveaxis(a, -3, 0)[:, None] for a in fields]
        location, noise, function, log_weight = (
            field[:, :, 0] if self.single else field for field in fields
        )
        return Predictive(location, noise, function, log_weight)

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
        """What a person should know of the fit, in one line."""
        return (
            f"{converged.sum()} of {converged.size} spectra converged; {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """What the data do not say of the circuit, and whether it misfits, in one line."""
        told = collections.Counter(
            "residuals correlated over frequency (misfit)"
            for wrong in self._misfitting()
            if wrong
        )
        for row in ~np.asarray(self._identified()):
            names = itertools.compress(self.network.names, row)
            told.update(f"{name} not identified" for name in names)
        told.update(tie for own in self._tied() for tie in own)
        parts = [
            text if self.single else f"{text} in {count}"
            for text, count in told.most_common()
        ]
        return "; ".join(parts) or "every parameter identified, no misfit"

    @property
    def tied(self) -> list[str] | list[list[str]]:
        """Parameters of which only a combination is determined, in words."""
        return self._bare(self._tied())[0]

    def _tied(self):
        _, covariance = moments(self.nodes)
        return [
            tied_parameters(self.network.names, own, known)
            for own, known in zip(
                np.asarray(covariance), np.asarray(self._identified()), strict=True
            )
        ]

    @property
    def misfitting(self) -> Bool[Array, "*n"]:
        """Whether neighbouring residuals agree too well for noise: the circuit misfits."""
        return self._bare(self._misfitting())[0]

    def _misfitting(self):
        return self.nodes.residual_correlation > _CORRELATED

    def _identified(self):
        _, covariance = moments(self.nodes)
        sd = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
        narrow = sd < jnp.minimum(FLAT * self.nodes.prior_sd, _DECADE)
        return narrow & (self.nodes.decade_cost > _CHEAP)

    def _bare(self, *arrays):
        return [a[0] for a in arrays] if self.single else list(arrays)


def _central(level):
    return 0.5 * (1 - level), 0.5 * (1 + level)


def _parameters(posterior):
    return tuple(posterior.network.free_parameters.values())


def _quantiles(posterior, p):
    """Quantiles of the parameters [levels n p]."""
    z = quantiles(posterior.nodes, jnp.asarray(p, jnp.result_type(float)))
    return to_values(z, _parameters(posterior))


@eqx.filter_jit
def _draws(posterior, key, num):
    keys = jax.random.split(key, len(posterior.nodes.location))
    z, *_ = jax.vmap(partial(draw, num=num))(posterior.nodes, keys)
    return to_values(z, _parameters(posterior))


@eqx.filter_jit
def _predict(posterior, frequency):
    """Location, noise and function variance, log weight: each [n nodes f 2]."""
    parameters = _parameters(posterior)
    omega = 2 * jnp.pi * frequency

    def spectrum(z):
        z = posterior.network.evaluate(to_values(z, parameters), omega)
        return jnp.stack([z.real, z.imag], axis=-1)

    def node(z, covariance, shape):
        mean, push = jax.linearize(spectrum, z)
        slope = jax.vmap(push)(jnp.eye(z.size, dtype=z.dtype))
        function = jnp.sum(slope * jnp.tensordot(covariance, slope, axes=1), axis=0)
        complex_mean = jax.lax.complex(mean[:, 0], mean[:, 1])
        h = relative_variance(posterior.noise, shape, complex_mean, frequency)
        return mean, posterior.likelihood.rectangular(complex_mean, h).T, function

    nodes = posterior.nodes
    mean, h, function = jax.vmap(jax.vmap(node))(
        nodes.location, nodes.covariance, nodes.shape
    )
    level = nodes.level[..., None, None]
    joint = (level.shape[0], -1, *mean.shape[-2:])
    fields = (mean, level * h[:, :, None], level * function[:, :, None])
    mean, noise, function = (
        jnp.broadcast_to(
            a if a.ndim == level.ndim else a[:, :, None],
            (*level.shape[:3], *mean.shape[-2:]),
        ).reshape(joint)
        for a in fields
    )
    weight = nodes.log_weight - logsumexp(
        nodes.log_weight, axis=(-2, -1), keepdims=True
    )
    weight = weight.reshape(joint[0], -1, 1, 1)
    return mean, noise, function, jnp.broadcast_to(weight, mean.shape)
