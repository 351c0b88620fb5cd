"""The densities of `battprob.eis.densities` as NumPyro distributions, for own models.

A complex number is an event of two reals (Re, Im), as everywhere in `battprob`.
"""

# NumPyro declares `support` as a property and lets subclasses set a plain attribute.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false
# pyright: reportIndexIssue=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution, constraints

from battprob.eis import densities


class _Complex(Distribution):
    """Distribution of a complex number (Re, Im) with a mean and one or two scales."""

    support = constraints.real_vector

    def __init__(self, mean, *scales, validate_args=None):
        self.mean_ohm, *self.scales = _broadcast(mean, *scales)
        super().__init__(self.mean_ohm.shape, (2,), validate_args=validate_args)

    def log_prob(self, value, intermediates=None):
        impedance = jax.lax.complex(value[..., 0], value[..., 1])
        aligned = jnp.broadcast_arrays(impedance, self.mean_ohm, *self.scales)
        return self._density(*aligned)

    def sample(self, key, sample_shape=()):
        shape = (*sample_shape, *self.batch_shape)
        mean, *scales = (jnp.broadcast_to(a, shape) for a in self._arguments())
        drawn = self._sampler(mean, *scales, key=key)
        return jnp.stack([drawn.real, drawn.imag], axis=-1)

    @property
    def mean(self):
        return jnp.stack([self.mean_ohm.real, self.mean_ohm.imag], axis=-1)

    def _arguments(self):
        return (self.mean_ohm, *self.scales)


class ComplexGaussian(_Complex):
    """`densities.complex_gaussian`: ComplexGaussian(mean_ohm, sigma_ohm).

    Example:
        >>> distribution = ComplexGaussian(jnp.array([1.0 - 1.0j]), jnp.array(0.1))
        >>> distribution.sample(jax.random.key(0), (3,)).shape
        (3, 1, 2)
    """

    _density = staticmethod(densities.complex_gaussian)
    _sampler = staticmethod(densities.sample_complex_gaussian)


class PolarGaussian(_Complex):
    """`densities.polar_gaussian`: PolarGaussian(mean_ohm, sigma_ohm, sigma_rad)."""

    _density = staticmethod(densities.polar_gaussian)
    _sampler = staticmethod(densities.sample_polar_gaussian)


class CircularStudentT(_Complex):
    """`densities.circular_student_t`: CircularStudentT(mean_ohm, sigma_ohm, dof)."""

    _density = staticmethod(densities.circular_student_t)
    _sampler = staticmethod(densities.sample_circular_student_t)


class Rician(Distribution):
    """`densities.rician_magnitude`: a magnitude recorded without its phase.

    Args:
        mean_magnitude: |μ| in ohm.
        sigma: standard deviation of each of Re and Im, in ohm.
    """

    support = constraints.positive

    def __init__(self, mean_magnitude, sigma, *, validate_args=None):
        self.mean_magnitude, self.sigma = _broadcast(mean_magnitude, sigma)
        super().__init__(self.sigma.shape, validate_args=validate_args)

    def log_prob(self, value, intermediates=None):
        return densities.rician_magnitude(
            *jnp.broadcast_arrays(value, self.mean_magnitude, self.sigma)
        )

    def sample(self, key, sample_shape=()):
        shape = (*sample_shape, *self.batch_shape)
        mean = jnp.broadcast_to(self.mean_magnitude, shape)
        mean = jax.lax.complex(mean, jnp.zeros_like(mean))
        return jnp.abs(densities.sample_complex_gaussian(mean, self.sigma, key=key))


class PhaseDistribution(Distribution):
    """`densities.phase`: a phase recorded without its magnitude.

    Args:
        mean_phase: phase of μ in rad.
        kappa: |μ|/σ, the signal-to-noise ratio.
    """

    support = constraints.circular

    def __init__(self, mean_phase, kappa, *, validate_args=None):
        self.mean_phase, self.kappa = _broadcast(mean_phase, kappa)
        super().__init__(self.kappa.shape, validate_args=validate_args)

    def log_prob(self, value, intermediates=None):
        return densities.phase(
            *jnp.broadcast_arrays(value - self.mean_phase, self.kappa)
        )

    def sample(self, key, sample_shape=()):
        shape = (*sample_shape, *self.batch_shape)
        mean = jnp.broadcast_to(self.kappa, shape)
        mean = jax.lax.complex(mean, jnp.zeros_like(mean))
        drawn = densities.sample_complex_gaussian(mean, jnp.ones(()), key=key)
        phase = self.mean_phase + jnp.angle(drawn)
        return jnp.arctan2(jnp.sin(phase), jnp.cos(phase))


def _broadcast(*arrays):
    arrays = [jnp.asarray(a) for a in arrays]
    shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
    return [jnp.broadcast_to(a, shape) for a in arrays]
