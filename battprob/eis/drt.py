r"""Distributions of relaxation times: non-negative, with bands that cover.

    Z(ω) = R∞ + jωL + ∫ γ(ln τ) / (1 + jωτ) d ln τ + noise

The prior of log γ is in `_relaxation`, the law of the noise is that of circuits, and both
are averaged over: nothing is left to choose. A spectrum that rises beyond its lowest
frequency (diffusion, a blocking electrode) puts γ beyond the band's end.
"""

import os
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError, FitError, PrecisionWarning
from battprob._files.serialise import save
from battprob._modules import replace
from battprob._padding import bucket, pad_rows
from battprob._typing import ArrayLike, PRNGKey
from battprob.eis._problem import checked, to_jax
from battprob.eis._relaxation import Grid, grid, hinges, seen
from battprob.eis._relaxation_draws import RelaxationDraws, draws
from battprob.eis._relaxation_mode import modes
from battprob.eis._relaxation_peaks import Peaks, peaks
from battprob.eis.coordinates import Coordinates
from battprob.eis.likelihood import AbstractLikelihood, ComplexNormal, Polar, StudentT
from battprob.eis.variance import (
    AbstractVariance,
    MagnitudePhase,
    TwoComponent,
    relative_variance,
)
from battprob.inference.report import FitReport, stopwatch
from battprob.predictive import Predictive
from battprob.transforms import Log

_FEWEST = 5
_AT_ONCE = 8
_DRAWS = 64
_BANDWIDTH = 0.4  # of the draws' sd: Silverman's rule for as many


class DRT(eqx.Module):
    """A distribution of relaxation times, to be fitted to spectra.

    Args:
        noise: how the variance goes over frequency; default `TwoComponent()`, and
            `MagnitudePhase()` for `Polar()`.
        likelihood: the law of the errors of Re and Im; default `ComplexNormal()`.
            `StudentT()` for wild points, `Polar()` for lock-in instruments.

    Raises:
        DataError: `Magnitude()` or `Phase()`, or a noise that does not go with the
            likelihood.

    Example:
        >>> frequency_hz = np.logspace(-1, 3, 9)
        >>> impedance_ohm = 1 + 2 / (1 + 0.2j * np.pi * frequency_hz)
        >>> found = DRT().fit(  # doctest: +SKIP
        ...     frequency_hz, impedance_ohm, key=jax.random.key(0)
        ... )
        >>> low, high = found.predict([0.01, 0.1, 1.0]).interval(0.9)  # doctest: +SKIP
    """

    noise: AbstractVariance
    likelihood: AbstractLikelihood

    def __init__(
        self,
        noise: AbstractVariance | None = None,
        likelihood: AbstractLikelihood | None = None,
    ):
        polar = isinstance(likelihood, Polar)
        usual = MagnitudePhase() if polar else TwoComponent()
        self.noise = usual if noise is None else noise
        self.likelihood = ComplexNormal() if likelihood is None else likelihood
        if not isinstance(self.likelihood, ComplexNormal | StudentT | Polar):
            raise DataError(
                f"relaxation times need Re and Im together, not {self.likelihood}: what "
                "is left of Z alone is not linear in γ; fit a Circuit to it"
            )
        if isinstance(self.noise, MagnitudePhase) and not polar:
            raise DataError("MagnitudePhase() is the noise of likelihood=Polar()")

    def fit(
        self, frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, key: PRNGKey
    ) -> "DRTPosterior":
        """Posterior of γ, R∞ and inductance for one spectrum, or for each of a batch.

        Args:
            frequency_hz: positive, in Hz, in any order, shape [f].
            impedance_ohm: complex, in Ohm, shape [f] or [spectra f].
            key: PRNG key.

        Raises:
            DataError: fewer than five different frequencies, shapes that do not agree,
                values not finite, frequencies not positive.
            FitError: no distribution was found.
        """
        frequency, impedance = _checked(frequency_hz, impedance_ohm)
        order = np.argsort(frequency)
        frequency, real = frequency[order], jnp.result_type(float)
        batch = to_jax(np.atleast_2d(impedance)[:, order], real)
        if jnp.finfo(real).bits < 64:
            warnings.warn(
                "relaxation times are fitted in float32, which blurs them: call "
                "battprob.enable_x64() first",
                PrecisionWarning,
                stacklevel=2,
            )
        places = grid(frequency)
        with stopwatch() as watch:
            found = _fit_batch(self, places, jnp.asarray(frequency, real), batch, key)
            line = np.asarray(jax.block_until_ready(found.line))
        finite = np.array([bool(np.all(np.isfinite(own))) for own in line])
        report = FitReport(
            converged=bool(finite.all()),
            message=f"{len(finite)} spectra",
            seconds_compile=watch.compile,
            seconds_run=watch.run,
        )
        if not finite.all():
            lost = np.flatnonzero(~finite)[0]
            raise FitError(
                f"no distribution of relaxation times found for spectrum {lost}", report
            )
        band = tuple((1 / (2 * np.pi * frequency[[-1, 0]])).tolist())
        single = impedance.ndim == 1
        return DRTPosterior(
            self.noise, self.likelihood, places, found, band, report, single
        )


class DRTPosterior(eqx.Module):
    """Posterior of a distribution of relaxation times given a spectrum, or a batch [n].

    Made by `DRT.fit`. For a single spectrum no answer has the axis n.

    Attributes:
        noise: the law of the variance over frequency.
        likelihood: the law of what was recorded.
        band_s: shortest and longest 1/ω that was measured; beyond, the prior speaks.
        report: how the fit went.
    """

    noise: AbstractVariance
    likelihood: AbstractLikelihood
    grid: Grid
    draws: RelaxationDraws
    band_s: tuple[float, float] = eqx.field(static=True)
    report: FitReport = eqx.field(static=True)
    single: bool = eqx.field(static=True)

    def __getitem__(self, row: int) -> "DRTPosterior":
        """The posterior of one spectrum of a batch."""
        if self.single:
            raise DataError("this posterior is of one spectrum: it has no rows")
        own = jax.tree.map(lambda leaf: leaf[row][None], self.draws)
        return replace(self, draws=own, single=True)

    def predict(self, tau_s: ArrayLike) -> Predictive:
        """Predictive of γ(ln τ) in Ohm, [t] or [n t]; all its variance is epistemic.

        Args:
            tau_s: relaxation times, positive, in s.

        Raises:
            DataError: the times are no list of positive numbers.
        """
        return Predictive(*self._mixture(_log_gamma(self, self._place(tau_s))), Log())

    def coordinates(self, tau_s: ArrayLike) -> Coordinates:
        """log γ at some times as features, with the covariance of its draws.

        Args:
            tau_s: relaxation times, positive, in s.
        """
        place = self._place(tau_s)
        f = _log_gamma(self, place)
        away = f - f.mean(1, keepdims=True)
        covariance = jnp.einsum("nst,nsu->ntu", away, away) / (f.shape[1] - 1)
        names = tuple(f"log_gamma_{tau:.3g}s" for tau in np.exp(np.asarray(place)))
        if self.single:
            return Coordinates(names, f.mean(1)[0], covariance[0])
        return Coordinates(names, f.mean(1), covariance)

    def impedance(self, frequency_hz: ArrayLike) -> Predictive:
        """Predictive of a new measurement of (Re, Im) in Ohm, [f 2] or [n f 2].

        Args:
            frequency_hz: positive, in Hz, in any order.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        mean, noise = _spectra(self, frequency)
        mean, _, function, weight = self._mixture(mean)
        noise = jnp.moveaxis(noise, 1, 0)[:, None]
        return Predictive(
            mean, noise[:, :, 0] if self.single else noise, function, weight
        )

    @property
    def r_inf_ohm(self) -> Predictive:
        """R∞, the resistance at infinite frequency, in Ohm."""
        return Predictive(*self._mixture(self.draws.series_ohm))

    @property
    def inductance_h(self) -> Predictive:
        """Inductance in series, in H; about nought where there is none."""
        return Predictive(*self._mixture(self.draws.inductance_h))

    def peaks(self) -> Peaks | list[Peaks]:
        """Peaks inside the band, of the spectrum or of each of the batch."""
        low, high = np.log(self.band_s)
        x = np.linspace(low, high, round((high - low) / 0.1) + 1)
        f = np.asarray(_log_gamma(self, jnp.asarray(x, self.draws.line.dtype)))
        found = [peaks(x, own) for own in f]
        return found[0] if self.single else found

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back.

        Args:
            path: file to write; an existing file is replaced.
        """
        save(self, path)

    def _place(self, tau_s):
        tau = np.asarray(tau_s, float)
        if tau.ndim != 1 or not np.all(tau > 0):
            raise DataError("tau_s must be a list of positive times in s")
        return jnp.asarray(np.log(tau), self.draws.line.dtype)

    def _mixture(self, drawn):
        """Fields of a Predictive from draws [n s *b], smoothed by a kernel.

        The draws move towards their mean by what the kernel adds to their variance.
        """
        spread = _BANDWIDTH**2 * jnp.var(drawn, axis=1, keepdims=True)
        middle = jnp.mean(drawn, axis=1, keepdims=True)
        drawn = middle + (1 - _BANDWIDTH**2) ** 0.5 * (drawn - middle)
        location = jnp.moveaxis(drawn, 1, 0)[:, None]
        spread = jnp.broadcast_to(jnp.moveaxis(spread, 1, 0)[:, None], location.shape)
        if self.single:
            location, spread = location[:, :, 0], spread[:, :, 0]
        nought = jnp.zeros_like(location)
        return location, nought, spread, nought


@eqx.filter_jit
def _log_gamma(posterior, x):
    """log γ of every draw [n s t]."""
    hinge = hinges(x, posterior.grid.knot)
    rows = [hinge, (x - posterior.grid.centre)[:, None], jnp.ones_like(x)[:, None]]
    return posterior.draws.line @ jnp.concatenate(rows, axis=1).T


@eqx.filter_jit
def _spectra(posterior, frequency):
    """Means [n s f 2] and variances of the noise."""
    own, places = posterior.draws, posterior.grid
    node = places.node_offset + places.centre
    omega = 2 * jnp.pi * frequency
    turn = omega[None] * jnp.exp(node)[:, None]
    real = (node[1] - node[0]) / (1 + turn**2)
    kernel = jnp.stack([real, -turn * real], axis=-1)
    mean = jnp.tensordot(jnp.exp(_log_gamma(posterior, node)), kernel, axes=1)
    mean = (
        mean + own.series_ohm[..., None, None] * jnp.array([1.0, 0.0])[None, None, None]
    )
    tilt = jnp.stack([jnp.zeros_like(omega), omega], axis=-1)
    mean = mean + own.inductance_h[..., None, None] * tilt[None, None]

    def noise(shape, mean):
        at = jax.lax.complex(mean[:, 0], mean[:, 1])
        h = relative_variance(posterior.noise, shape, at, frequency)
        return posterior.likelihood.rectangular(at, h).T

    relative = jax.vmap(jax.vmap(noise))(own.shape, mean)
    return mean, own.level[..., None, None] * relative


def _fit_batch(spec, places, frequency, impedance, key):
    count = len(impedance)
    padded = pad_rows(impedance, bucket(count))
    found = _fit_padded(spec, places, frequency, padded, key)
    return jax.tree.map(lambda leaf: leaf[:count], found)


@eqx.filter_jit
def _fit_padded(spec, places, frequency, impedance, key):
    law, likelihood = spec.noise, spec.likelihood

    def one(row, impedance):
        # Along and across the measured Z: the errors of its size and phase, but for
        # terms of their square.
        turn = jnp.ones_like(impedance)
        if isinstance(likelihood, Polar):
            angle = jnp.angle(impedance)
            turn = jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))
        own = seen(places, frequency, impedance, turn)
        found = modes(places, own, law, likelihood, frequency, impedance)
        at = jax.random.fold_in(key, row)
        known = law.level_known()
        return draws(
            places, own, found, likelihood, frequency, known, key=at, num=_DRAWS
        )

    # Chunks stay in the cache, and wait only for the slowest fit among their own.
    shape = len(impedance) // _AT_ONCE, _AT_ONCE
    rows = jnp.arange(len(impedance)).reshape(shape)
    chunks = impedance.reshape(*shape, -1)
    found = jax.lax.map(lambda chunk: jax.vmap(one)(*chunk), (rows, chunks))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)


def _checked(frequency_hz, impedance_ohm):
    frequency, impedance = checked(frequency_hz, impedance_ohm, ComplexNormal())
    if np.unique(frequency).size < _FEWEST:
        raise DataError(
            f"{np.unique(frequency).size} different frequencies: a distribution of "
            f"relaxation times needs {_FEWEST} or more"
        )
    return frequency, impedance
