r"""`DRT`: distributions of relaxation times, non-negative, with calibrated intervals.

    Z(ω) = R∞ + jωL + ∫ γ(ln τ) / (1 + jωτ) d ln τ + noise

The prior of log γ is defined in `_drt_prior`; the noise model is that of circuits. Both
are averaged over, so that no regularisation parameter needs to be chosen. If |Z| still
rises at the lowest frequency (diffusion, a blocking electrode), γ continues beyond the
end of the band.
"""

import os
import warnings
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError, FitError, PrecisionWarning
from battprob._files.serialise import save
from battprob._modules import replace, require_parts
from battprob._padding import bucket, first_rows, one_row, pad_rows
from battprob._typing import ArrayLike, PRNGKey
from battprob.eis._drt_draws import DRTDraws, draws
from battprob.eis._drt_mode import modes
from battprob.eis._drt_peaks import Peaks, find_peaks
from battprob.eis._drt_prior import (
    TauGrid,
    corner_functions,
    rotated_spectrum,
    tau_grid,
)
from battprob.eis.coordinates import Coordinates
from battprob.eis.likelihood import AbstractLikelihood, ComplexNormal, Polar, StudentT
from battprob.eis.problem import checked_spectra, to_jax
from battprob.eis.variance import (
    AbstractVariance,
    MagnitudePhase,
    TwoComponent,
    relative_variance,
)
from battprob.inference.report import FitReport, stopwatch
from battprob.predictive import Predictive
from battprob.transforms import Log

_FEWEST = 5  # frequencies
_CHUNK = 8
_DRAWS = 64
_BANDWIDTH = 0.4  # of the sd of the draws: Silverman's rule for 64 draws


class DRT(eqx.Module):
    """A distribution of relaxation times, to be fitted to impedance spectra.

    Args:
        noise: model of the variance over frequency; default `TwoComponent()`, and
            `MagnitudePhase()` with `Polar()`.
        likelihood: distribution of the errors of Re and Im; default `ComplexNormal()`.
            Use `StudentT()` if the spectra have outliers and `Polar()` for lock-in
            instruments.

    Raises:
        DataError: `Magnitude()` or `Phase()`, or a noise model that does not belong to
            the likelihood.

    Example:
        >>> frequency_hz = np.logspace(-1, 3, 9)
        >>> impedance_ohm = 1 + 2 / (1 + 0.2j * np.pi * frequency_hz)
        >>> posterior = DRT().fit(  # doctest: +SKIP
        ...     frequency_hz, impedance_ohm, key=jax.random.key(0)
        ... )
        >>> gamma = posterior.predict([0.01, 0.1, 1.0])  # doctest: +SKIP
        >>> low, high = gamma.interval(0.9)  # doctest: +SKIP
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

    def __check_init__(self):
        require_parts(self)
        if not isinstance(self.likelihood, ComplexNormal | StudentT | Polar):
            raise DataError(
                f"a distribution of relaxation times needs Re and Im together; got "
                f"likelihood={type(self.likelihood).__name__}(): fit a Circuit instead"
            )
        polar = isinstance(self.likelihood, Polar)
        if isinstance(self.noise, MagnitudePhase) and not polar:
            raise DataError("MagnitudePhase() is the noise model of likelihood=Polar()")

    def fit(
        self, frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, key: PRNGKey
    ) -> "DRTPosterior":
        """Posterior of γ, R∞ and inductance for one spectrum, or for each of a batch.

        Args:
            frequency_hz: positive frequencies in Hz, in any order, shape [f].
            impedance_ohm: complex impedances in ohm, shape [f] or [spectra f].
            key: PRNG key.

        Raises:
            DataError: fewer than five different frequencies, shapes that do not agree,
                values that are not finite, or frequencies that are not positive.
            FitError: the fit of a spectrum gave values that are not finite.
        """
        frequency, impedance = _checked(frequency_hz, impedance_ohm)
        order = np.argsort(frequency)
        frequency, real = frequency[order], jnp.result_type(float)
        batch = to_jax(np.atleast_2d(impedance)[:, order], real)
        if jnp.finfo(real).bits < 64:
            warnings.warn(
                "relaxation times are fitted in float32, which broadens the peaks: "
                "call battprob.enable_x64() first",
                PrecisionWarning,
                stacklevel=2,
            )
        grid = tau_grid(frequency)
        with stopwatch() as watch:
            drawn = _fit_batch(self, grid, jnp.asarray(frequency, real), batch, key)
            coefficients = np.asarray(jax.block_until_ready(drawn.coefficients))
        report = _report(coefficients, watch)
        band = tuple((1 / (2 * np.pi * frequency[[-1, 0]])).tolist())
        single = impedance.ndim == 1
        return DRTPosterior(
            self.noise, self.likelihood, grid, drawn, band, report, single
        )


class DRTPosterior(eqx.Module):
    """Posterior of a distribution of relaxation times for a spectrum or a batch [n].

    Made by `DRT.fit`. For a single spectrum no result has the axis n.

    Attributes:
        noise: model of the variance over frequency.
        likelihood: distribution of the errors.
        grid: knots of log γ, and quadrature nodes over ln τ.
        draws: posterior draws.
        band_s: shortest and longest measured 1/ω in s; beyond, only the prior
            determines γ.
        report: how the fit went.
    """

    noise: AbstractVariance
    likelihood: AbstractLikelihood
    grid: TauGrid
    draws: DRTDraws
    band_s: tuple[float, float] = eqx.field(static=True)
    report: FitReport = eqx.field(static=True)
    single: bool = eqx.field(static=True)

    def __getitem__(self, row: int) -> "DRTPosterior":
        """The posterior of one spectrum of a batch."""
        if self.single:
            raise DataError(
                "this is the posterior of one spectrum, not of a batch: use it without [...]"
            )
        return replace(self, draws=one_row(self.draws, row), single=True)

    def predict(self, tau_s: ArrayLike) -> Predictive:
        """Predictive of γ(ln τ) in ohm, shape [t] or [n t]; its variance is epistemic.

        Args:
            tau_s: positive relaxation times in s, shape [t].

        Raises:
            DataError: `tau_s` is not a list of positive numbers.
        """
        log_gamma = _log_gamma(self, self._log_tau(tau_s))
        mean, aleatoric, epistemic, weights = _smoothed_mixture(log_gamma, self.single)
        return Predictive(mean, aleatoric, epistemic, weights, Log())

    def coordinates(self, tau_s: ArrayLike) -> Coordinates:
        """log γ at some relaxation times as features, with the covariance of its draws.

        Args:
            tau_s: positive relaxation times in s, shape [t].

        Raises:
            DataError: `tau_s` is not a list of positive numbers.
        """
        log_tau = self._log_tau(tau_s)
        names = tuple(f"log_gamma_{tau:.3g}s" for tau in np.exp(np.asarray(log_tau)))
        return Coordinates(names, *_moments(_log_gamma(self, log_tau), self.single))

    def impedance(self, frequency_hz: ArrayLike) -> Predictive:
        """Predictive of a new measurement of (Re, Im) in ohm, shape [f 2] or [n f 2].

        Args:
            frequency_hz: positive frequencies in Hz, in any order.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        mean, noise = _spectra(self, frequency)
        mean, _, function, weight = _smoothed_mixture(mean, self.single)
        return Predictive(mean, noise, function, weight)

    @property
    def r_inf_ohm(self) -> Predictive:
        """R∞, the resistance at infinite frequency, in ohm."""
        return Predictive(*_smoothed_mixture(self.draws.series_ohm, self.single))

    @property
    def inductance_h(self) -> Predictive:
        """Inductance in series in H; about zero if the spectrum has none."""
        return Predictive(*_smoothed_mixture(self.draws.inductance_h, self.single))

    def peaks(self) -> Peaks | list[Peaks]:
        """Peaks inside the band, of the spectrum or of each of the batch."""
        low, high = np.log(self.band_s)
        x = np.linspace(low, high, round((high - low) / 0.1) + 1)
        dtype = self.draws.coefficients.dtype
        f = np.asarray(_log_gamma(self, jnp.asarray(x, dtype)))
        found = [find_peaks(x, row) for row in f]
        return found[0] if self.single else found

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back.

        Args:
            path: file to write; an existing file is replaced.
        """
        save(self, path)

    def _log_tau(self, tau_s):
        tau = np.asarray(tau_s, float)
        if tau.ndim != 1 or not np.all(tau > 0):
            raise DataError("tau_s must be a list of positive times in s")
        return jnp.asarray(np.log(tau), self.draws.coefficients.dtype)


@partial(jax.jit, static_argnums=1)
def _smoothed_mixture(drawn, single):
    """Fields of a Predictive from draws [n s *b], by a kernel density estimate.

    The draws are moved towards their mean, so that the variance of the kernel does not
    add to theirs.
    """
    variance = _BANDWIDTH**2 * jnp.var(drawn, axis=1, keepdims=True)
    mean = jnp.mean(drawn, axis=1, keepdims=True)
    drawn = mean + (1 - _BANDWIDTH**2) ** 0.5 * (drawn - mean)
    location = _draws_first(drawn, single)
    variance = jnp.broadcast_to(_draws_first(variance, single), location.shape)
    zero = jnp.zeros_like(location)
    return location, zero, variance, zero


def _draws_first(drawn, single):
    """Draws [n s *b] with the axes of a Predictive: [s 1 n *b], or [s 1 *b]."""
    drawn = jnp.moveaxis(drawn, 1, 0)[:, None]
    return drawn[:, :, 0] if single else drawn


@partial(jax.jit, static_argnums=1)
def _moments(drawn, single):
    """Means and covariances over draws [n s t]."""
    mean = drawn.mean(1)
    deviation = drawn - mean[:, None]
    total = jnp.einsum("nst,nsu->ntu", deviation, deviation)
    covariance = total / (drawn.shape[1] - 1)
    return (mean[0], covariance[0]) if single else (mean, covariance)


@eqx.filter_jit
def _log_gamma(posterior, x):
    """log γ of every draw [n s t] at x = ln τ."""
    corners = corner_functions(x, posterior.grid.knot)
    offset = (x - posterior.grid.centre)[:, None]
    columns = [corners, offset, jnp.ones_like(x)[:, None]]
    return posterior.draws.coefficients @ jnp.concatenate(columns, axis=1).T


@eqx.filter_jit
def _spectra(posterior, frequency):
    """Spectra of every draw [n s f 2], and noise variances as in a Predictive."""
    drawn, grid = posterior.draws, posterior.grid
    node = grid.node_offset + grid.centre
    omega = 2 * jnp.pi * frequency
    omega_tau = omega[None] * jnp.exp(node)[:, None]
    real = (node[1] - node[0]) / (1 + omega_tau**2)
    kernel = jnp.stack([real, -omega_tau * real], axis=-1)
    mean = jnp.tensordot(jnp.exp(_log_gamma(posterior, node)), kernel, axes=1)
    real_unit = jnp.array([1.0, 0.0])[None, None, None]
    mean = mean + drawn.series_ohm[..., None, None] * real_unit
    j_omega = jnp.stack([jnp.zeros_like(omega), omega], axis=-1)
    mean = mean + drawn.inductance_h[..., None, None] * j_omega[None, None]

    def noise(logits, mean):
        z = jax.lax.complex(mean[:, 0], mean[:, 1])
        h = relative_variance(posterior.noise, logits, z, frequency)
        return posterior.likelihood.rectangular_variance(z, h).T

    relative = jax.vmap(jax.vmap(noise))(drawn.logits, mean)
    noise_variance = drawn.variance_scale[..., None, None] * relative
    return mean, _draws_first(noise_variance, posterior.single)


def _fit_batch(spec, grid, frequency, impedance, key):
    count = len(impedance)
    padded = pad_rows(impedance, bucket(count))
    return first_rows(_fit_padded(spec, grid, frequency, padded, key), count)


@eqx.filter_jit
def _fit_padded(spec, grid, frequency, impedance, key):
    noise, likelihood = spec.noise, spec.likelihood

    def one(row, impedance):
        # Axes along and across the measured Z: the errors of magnitude and phase are
        # independent along them, up to terms of second order in the errors.
        rotation = jnp.ones_like(impedance)
        if isinstance(likelihood, Polar):
            angle = jnp.angle(impedance)
            rotation = jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))
        spectrum = rotated_spectrum(grid, frequency, impedance, rotation)
        found = modes(grid, spectrum, noise, likelihood, frequency, impedance)
        return draws(
            grid,
            spectrum,
            found,
            likelihood,
            frequency,
            noise.prior_degrees_of_freedom(),
            key=jax.random.fold_in(key, row),
            num=_DRAWS,
        )

    # A chunk fits into the cache, and only its own slowest fit delays it.
    shape = len(impedance) // _CHUNK, _CHUNK
    rows = jnp.arange(len(impedance)).reshape(shape)
    chunks = impedance.reshape(*shape, -1)
    drawn = jax.lax.map(lambda chunk: jax.vmap(one)(*chunk), (rows, chunks))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), drawn)


def _report(coefficients, watch):
    finite = np.array([bool(np.all(np.isfinite(row))) for row in coefficients])
    report = FitReport(
        converged=bool(finite.all()),
        message=f"{len(finite)} spectra",
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
    if not finite.all():
        failed = np.flatnonzero(~finite)[0]
        raise FitError(
            f"the distribution of relaxation times of spectrum {failed} is not finite: "
            "check its values",
            report,
        )
    return report


def _checked(frequency_hz, impedance_ohm):
    frequency, impedance = checked_spectra(frequency_hz, impedance_ohm, ComplexNormal())
    different = np.unique(frequency).size
    if different < _FEWEST:
        raise DataError(
            f"got {different} different frequencies: a distribution of relaxation "
            f"times needs {_FEWEST} or more"
        )
    return frequency, impedance
