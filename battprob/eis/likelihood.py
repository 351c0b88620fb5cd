"""Likelihoods: what an instrument records, and the distribution of its errors."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float
from battprob.eis import densities


class AbstractLikelihood(eqx.Module):
    """Distribution of the recorded values of a spectrum given its true impedance.

    To write your own:

    1. Subclass `AbstractLikelihood`; numbers that a user sets are array fields
       (`Float[Array, ""]`), so that changing them needs no new compilation.
    2. Define `log_prob(measured, mean, variance)`: normalised log density of each
       recorded value, in JAX operations. `mean` is the true impedance in ohm,
       `variance` the σ² of Re and of Im in ohm² from the noise model, both at the
       frequencies of `measured`.
    3. Define `rectangular_variance(mean, variance)`: the variance of Re and of Im of a
       new measurement in ohm².
    4. Define `approximate_impedance(frequency_hz, measured)`: impedances in ohm, in
       NumPy, from which starting values and the range of the noise model are computed.
    5. Use it as `Circuit(..., likelihood=Own())`. For files saved with it, decorate the
       class with `@battprob.register`.
    """

    @abstractmethod
    def log_prob(
        self,
        measured: Array,
        mean: Complex[Array, " f"],
        variance: Float[Array, "2 f"],
    ) -> Float[Array, " f"]:
        """Log density of each recorded value.

        Args:
            measured: recorded values [f]: impedances or magnitudes in ohm, or phases in
                rad.
            mean: true impedance in ohm.
            variance: variance of Re and of Im in ohm².
        """

    @abstractmethod
    def rectangular_variance(
        self, mean: Complex[Array, " f"], variance: Float[Array, "2 f"]
    ) -> Float[Array, "2 f"]:
        """Variance of Re and of Im of a new measurement, in ohm²."""

    @abstractmethod
    def approximate_impedance(
        self, frequency_hz: Float[np.ndarray, " f"], measured: np.ndarray
    ) -> Complex[np.ndarray, "n f"]:
        """Impedances in ohm computed from the recorded values, for starting values.

        Args:
            frequency_hz: frequencies in Hz, ascending.
            measured: recorded values [n f].
        """


class ComplexNormal(AbstractLikelihood):
    """Complex impedances with independent Gaussian errors of Re and Im: the default."""

    def log_prob(self, measured, mean, variance):
        return densities.rectangular_gaussian(measured, mean, variance)

    def rectangular_variance(self, mean, variance):
        return variance

    def approximate_impedance(self, frequency_hz, measured):
        return measured


class StudentT(AbstractLikelihood):
    """Complex impedances with outliers: circular Student-t errors.

    Args:
        degrees_of_freedom: more than 2, so that the variance exists; the fewer, the
            heavier the tails.

    Raises:
        DataError: 2 degrees of freedom or fewer.
    """

    degrees_of_freedom: Float[Array, ""]

    def __init__(self, degrees_of_freedom: ArrayLike = 4.0):
        if not np.all(np.asarray(degrees_of_freedom) > 2):
            raise DataError(
                "StudentT needs more than 2 degrees of freedom; got "
                f"{degrees_of_freedom}"
            )
        self.degrees_of_freedom = jnp.asarray(
            degrees_of_freedom, jnp.result_type(float)
        )

    def log_prob(self, measured, mean, variance):
        sigma = jnp.sqrt(variance.mean(0))
        dof = jnp.broadcast_to(self.degrees_of_freedom, sigma.shape)
        return densities.circular_student_t(measured, mean, sigma, dof)

    def rectangular_variance(self, mean, variance):
        dof = self.degrees_of_freedom
        return variance * dof / (dof - 2)

    def approximate_impedance(self, frequency_hz, measured):
        return measured


class Polar(AbstractLikelihood):
    """Complex impedances of lock-in instruments: errors of magnitude and phase.

    The errors are independent. The two variances of the noise model are those along μ
    and across it. With `noise=MagnitudePhase()` they are σ_r² and (ν σ_φ)².
    """

    def log_prob(self, measured, mean, variance):
        along, across = jnp.sqrt(variance)
        return densities.polar_gaussian(measured, mean, along, across / jnp.abs(mean))

    def rectangular_variance(self, mean, variance):
        # The diagonal of the rotated covariance; its trace is the same in both axes.
        cos_square = mean.real**2 / (mean.real**2 + mean.imag**2)
        real = cos_square * variance[0] + (1 - cos_square) * variance[1]
        return jnp.stack([real, variance.sum(0) - real])

    def approximate_impedance(self, frequency_hz, measured):
        return measured


class Magnitude(AbstractLikelihood):
    """Magnitudes |Z| in ohm recorded without their phases: Rician distribution."""

    def log_prob(self, measured, mean, variance):
        sigma = jnp.sqrt(variance.mean(0))
        return densities.rician_magnitude(measured, jnp.abs(mean), sigma)

    def rectangular_variance(self, mean, variance):
        return variance

    def approximate_impedance(self, frequency_hz, measured):
        """Impedances with the phases of Bode's relation, φ ≈ π/2 d log|Z| / d log f."""
        if np.any(measured <= 0):
            row, column = np.argwhere(measured <= 0)[0]
            raise DataError(
                "magnitudes must be positive: Magnitude() takes |Z| in ohm; got "
                f"{measured[row, column]} at {frequency_hz[column]:g} Hz of spectrum "
                f"{row}"
            )
        slope = np.gradient(np.log(measured), np.log(frequency_hz), axis=-1)
        return measured * np.exp(0.5j * np.pi * np.clip(slope, -1, 1))


class Phase(AbstractLikelihood):
    """Phases in rad recorded without their magnitudes.

    The scale of Z is then unknown: only ratios of resistances are determined.
    """

    def log_prob(self, measured, mean, variance):
        kappa = jnp.abs(mean) / jnp.sqrt(variance.mean(0))
        return densities.phase(measured - jnp.angle(mean), kappa)

    def rectangular_variance(self, mean, variance):
        return variance

    def approximate_impedance(self, frequency_hz, measured):
        """Impedances of mean log-magnitude 1 ohm, by integrating Bode's relation."""
        step = np.diff(np.log(frequency_hz))
        # Trapezoidal rule for ∫ 2φ/π d log f.
        integral = np.cumsum(step * (measured[..., 1:] + measured[..., :-1]), axis=-1)
        log_magnitude = np.concatenate(
            [np.zeros_like(integral[..., :1]), integral / np.pi], axis=-1
        )
        log_magnitude -= log_magnitude.mean(axis=-1, keepdims=True)
        return np.exp(log_magnitude + 1j * measured)
