"""What was recorded of an impedance, and the law it follows around the circuit's."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float
from battprob.eis import laws


class AbstractLikelihood(eqx.Module):
    """A law of recordings `measured` [f] given the true impedance and σ² of Re and Im."""

    @abstractmethod
    def log_prob(
        self,
        measured: Array,
        mean: Complex[Array, " f"],
        variance: Float[Array, "2 f"],
    ) -> Float[Array, " f"]:
        """Log density of each recording."""

    @abstractmethod
    def rectangular(
        self, mean: Complex[Array, " f"], variance: Float[Array, "2 f"]
    ) -> Float[Array, "2 f"]:
        """Variance of Re and of Im of one more measurement."""

    @abstractmethod
    def spectrum(
        self, frequency_hz: Float[np.ndarray, " f"], measured: np.ndarray
    ) -> Complex[np.ndarray, "n f"]:
        """Impedances near the recordings, in Ohm, frequencies ascending: to start from."""


class ComplexNormal(AbstractLikelihood):
    """Complex impedances, Re and Im Gaussian and independent: the default."""

    def log_prob(self, measured, mean, variance):
        return laws.rectangular_gaussian(measured, mean, variance)

    def rectangular(self, mean, variance):
        del mean
        return variance

    def spectrum(self, frequency_hz, measured):
        del frequency_hz
        return measured


class StudentT(AbstractLikelihood):
    """Complex impedances with wild points among them: circular Student-t.

    Args:
        degrees_of_freedom: above 2, so that it has a variance; the fewer, the wilder.
    """

    degrees_of_freedom: Float[Array, ""]

    def __init__(self, degrees_of_freedom: ArrayLike = 4.0):
        if not np.all(np.asarray(degrees_of_freedom) > 2):
            raise DataError(
                f"StudentT needs more than 2 degrees of freedom; got {degrees_of_freedom}"
            )
        self.degrees_of_freedom = jnp.asarray(
            degrees_of_freedom, jnp.result_type(float)
        )

    def log_prob(self, measured, mean, variance):
        sigma = jnp.sqrt(variance.mean(0))
        dof = jnp.broadcast_to(self.degrees_of_freedom, sigma.shape)
        return laws.circular_student_t(measured, mean, sigma, dof)

    def rectangular(self, mean, variance):
        del mean
        dof = self.degrees_of_freedom
        return variance * dof / (dof - 2)

    def spectrum(self, frequency_hz, measured):
        del frequency_hz
        return measured


class Polar(AbstractLikelihood):
    """Complex impedances of lock-in instruments: magnitude and phase err independently.

    The two variances of the law of noise are those along μ and across it, so that
    `noise=MagnitudePhase()` has σ_r and ν σ_φ.
    """

    def log_prob(self, measured, mean, variance):
        along, across = jnp.sqrt(variance)
        return laws.polar_gaussian(measured, mean, along, across / jnp.abs(mean))

    def rectangular(self, mean, variance):
        share = mean.real**2 / (mean.real**2 + mean.imag**2)
        real = share * variance[0] + (1 - share) * variance[1]
        return jnp.stack([real, variance.sum(0) - real])

    def spectrum(self, frequency_hz, measured):
        del frequency_hz
        return measured


class Magnitude(AbstractLikelihood):
    """Magnitudes |Z| in Ohm, recorded without their phases: Rician."""

    def log_prob(self, measured, mean, variance):
        sigma = jnp.sqrt(variance.mean(0))
        return laws.rician_magnitude(measured, jnp.abs(mean), sigma)

    def rectangular(self, mean, variance):
        del mean
        return variance

    def spectrum(self, frequency_hz, measured):
        """By Bode's relation of phase and slope, φ ≈ π/2 d log|Z| / d log f."""
        if np.any(measured <= 0):
            raise DataError("magnitudes must be positive: Magnitude() takes |Z| in Ohm")
        slope = np.gradient(np.log(measured), np.log(frequency_hz), axis=-1)
        return measured * np.exp(0.5j * np.pi * np.clip(slope, -1, 1))


class Phase(AbstractLikelihood):
    """Phases in rad, recorded without their magnitudes: nothing tells the size of Z."""

    def log_prob(self, measured, mean, variance):
        kappa = jnp.abs(mean) / jnp.sqrt(variance.mean(0))
        return laws.phase(measured - jnp.angle(mean), kappa)

    def rectangular(self, mean, variance):
        del mean
        return variance

    def spectrum(self, frequency_hz, measured):
        """By Bode's relation of phase and slope; of a size of 1 Ohm."""
        step = np.diff(np.log(frequency_hz))
        rise = np.cumsum(step * (measured[..., 1:] + measured[..., :-1]), axis=-1)
        log_size = np.concatenate([np.zeros_like(rise[..., :1]), rise / np.pi], axis=-1)
        log_size -= log_size.mean(axis=-1, keepdims=True)
        return np.exp(log_size + 1j * measured)
