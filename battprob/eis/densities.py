r"""Log densities of a measured impedance, of its magnitude and of its phase.

Notation: $Z$ is the measured impedance, $\mu$ the true one, $\nu = |\mu|$, and $\sigma$
the standard deviation of **each** of Re and Im. What was recorded decides which density
applies:

- real and imaginary part, or magnitude *and* phase: a density of the complex number;
- the magnitude alone: `rician_magnitude`;
- the phase alone: `phase` (exact), or `phase_given_magnitude` if the magnitude is
  known.

The Rician density of the magnitude times the von Mises density of the phase given the
magnitude is r times the complex Gaussian density. The Rician density times the
*marginal* density of the phase is not, because magnitude and phase are dependent.

All densities are normalised. The term log σ² is therefore included, which matters when
σ depends on μ.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import i0e, log_ndtr, ndtr

from battprob._typing import Array, Complex, Float, PRNGKey

_LOG_2PI = 1.8378770664093453
# From x = 20 on, twelve terms of the asymptotic series of Mills' ratio are exact to
# double precision, while 1 - x Φ(-x)/φ(x) has lost three digits to cancellation.
_SERIES_FROM = 20.0
_SERIES_TERMS = 12


def complex_gaussian(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density of the circular complex Gaussian, for frequency response analysers.

    $-\log 2\pi\sigma^2 - |Z - \mu|^2 / 2\sigma^2$

    Args:
        impedance: measured impedance in ohm.
        mean: true impedance in ohm.
        sigma: standard deviation of each of Re and Im, in ohm.

    Example:
        >>> z, one = jnp.array(0.3 - 0.4j), jnp.array(0.25)
        >>> round(float(complex_gaussian(z, jnp.zeros_like(z), one)), 5)
        -1.06529
    """
    return -_LOG_2PI - 2 * jnp.log(sigma) - 0.5 * _square(impedance - mean) / sigma**2


def rectangular_gaussian(
    impedance: Complex[Array, " f"],
    mean: Complex[Array, " f"],
    variance: Float[Array, "2 f"],
) -> Float[Array, " f"]:
    r"""Log density with Re and Im independent and of unequal variance.

    $-\log 2\pi - \frac12\log\sigma_r^2\sigma_j^2
    - (Z_r - \mu_r)^2/2\sigma_r^2 - (Z_j - \mu_j)^2/2\sigma_j^2$

    Args:
        impedance: measured impedance in ohm.
        mean: true impedance in ohm.
        variance: σ² of Re and of Im, in ohm².
    """
    residual = impedance - mean
    square = residual.real**2 / variance[0] + residual.imag**2 / variance[1]
    return -_LOG_2PI - 0.5 * jnp.log(variance).sum(0) - 0.5 * square


def polar_gaussian(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma_magnitude: Float[Array, "*#b"],
    sigma_phase: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density for lock-in instruments: independent errors of magnitude and phase.

    The covariance is $R(\varphi)\,\mathrm{diag}(\sigma_r^2, \nu^2\sigma_\varphi^2)\,
    R(\varphi)^\top$, where φ is the phase of μ.

    Args:
        impedance: measured impedance in ohm.
        mean: true impedance in ohm, not zero.
        sigma_magnitude: standard deviation along μ, in ohm.
        sigma_phase: standard deviation of the phase, in rad.

    References:
        Carson et al., J. Electrochem. Soc. 150 (2003) E477 and E491.
    """
    modulus = jnp.abs(mean)
    rotated = (impedance - mean) * jnp.conj(_direction(mean, modulus))
    sigma_across = modulus * sigma_phase
    square = (rotated.real / sigma_magnitude) ** 2 + (rotated.imag / sigma_across) ** 2
    return -_LOG_2PI - jnp.log(sigma_magnitude) - jnp.log(sigma_across) - 0.5 * square


def circular_student_t(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
    degrees_of_freedom: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density of the circular Student-t distribution, for spectra with outliers.

    $-\log 2\pi\sigma^2 - (\nu_t/2 + 1)\,\log(1 + |Z - \mu|^2 / \nu_t\sigma^2)$

    Args:
        impedance: measured impedance in ohm.
        mean: true impedance in ohm.
        sigma: scale of each of Re and Im, in ohm.
        degrees_of_freedom: ν_t; the limit ν_t → ∞ is the complex Gaussian.
    """
    ratio = _square(impedance - mean) / (degrees_of_freedom * sigma**2)
    power = 0.5 * degrees_of_freedom + 1
    return -_LOG_2PI - 2 * jnp.log(sigma) - power * jnp.log1p(ratio)


def rician_magnitude(
    magnitude: Float[Array, "*b"],
    mean_magnitude: Float[Array, "*b"],
    sigma: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density of a magnitude recorded without its phase.

    $\log r - 2\log\sigma - (r - \nu)^2 / 2\sigma^2 + \log I_0^e(r\nu/\sigma^2)$, where
    $I_0^e(x) = e^{-x} I_0(x)$ does not overflow.

    Args:
        magnitude: r = |Z|, measured, in ohm.
        mean_magnitude: ν = |μ|, in ohm.
        sigma: standard deviation of each of Re and Im, in ohm.

    References:
        Rice, Bell Syst. Tech. J. 24 (1945) 46, doi:10.1002/j.1538-7305.1945.tb00453.x.
    """
    bessel = jnp.log(i0e(magnitude * mean_magnitude / sigma**2))
    square = ((magnitude - mean_magnitude) / sigma) ** 2
    return jnp.log(magnitude) - 2 * jnp.log(sigma) - 0.5 * square + bessel


def phase(delta: Float[Array, "*b"], kappa: Float[Array, "*#b"]) -> Float[Array, "*b"]:
    r"""Log density of a phase recorded without its magnitude.

    $p = \frac{e^{-\kappa^2/2}}{2\pi} + \frac{t}{\sqrt{2\pi}}\,
    e^{-\kappa^2\sin^2\delta/2}\,\Phi(t)$ with $t = \kappa\cos\delta$.

    Args:
        delta: measured minus true phase, in rad.
        kappa: ν/σ, the signal-to-noise ratio.
    """
    t = kappa * jnp.cos(delta)
    floor = -_LOG_2PI - 0.5 * kappa**2
    positive = t > 0
    # The branch that is not used must stay finite, or its gradient would be NaN.
    t_positive = jnp.where(positive, t, 1.0)
    across = kappa * jnp.sin(delta)
    peak = jnp.log(t_positive) - 0.5 * _LOG_2PI - 0.5 * across**2 + log_ndtr(t_positive)
    # For t < 0 the two terms of p cancel; Mills' ratio gives their sum accurately.
    opposite = floor + _log_one_minus_mills(jnp.where(positive, 0.0, -t))
    return jnp.where(positive, jnp.logaddexp(floor, peak), opposite)


def phase_given_magnitude(
    delta: Float[Array, "*b"], concentration: Float[Array, "*#b"]
) -> Float[Array, "*b"]:
    r"""Log density of the phase if the magnitude r is known: von Mises(rν/σ²).

    Args:
        delta: measured minus true phase, in rad.
        concentration: rν/σ².

    Example:
        >>> value = phase_given_magnitude(jnp.array(0.2), jnp.array(4.0))
        >>> round(float(value), 6)
        -0.342584
    """
    # κ (cos δ - 1), without the cancellation near δ = 0.
    exponent = 2 * concentration * jnp.sin(0.5 * delta) ** 2
    return -exponent - _LOG_2PI - jnp.log(i0e(concentration))


def sample_complex_gaussian(
    mean: Complex[Array, "*b"], sigma: Float[Array, "*#b"], *, key: PRNGKey
) -> Complex[Array, "*b"]:
    """Draw one noisy impedance for every true one, from `complex_gaussian`."""
    return mean + _error(mean, sigma, sigma, key)


def sample_polar_gaussian(
    mean: Complex[Array, "*b"],
    sigma_magnitude: Float[Array, "*#b"],
    sigma_phase: Float[Array, "*#b"],
    *,
    key: PRNGKey,
) -> Complex[Array, "*b"]:
    """Draw one noisy impedance for every true one, from `polar_gaussian`."""
    modulus = jnp.abs(mean)
    error = _error(mean, sigma_magnitude, modulus * sigma_phase, key)
    return mean + error * _direction(mean, modulus)


def sample_circular_student_t(
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
    degrees_of_freedom: Float[Array, "*#b"],
    *,
    key: PRNGKey,
) -> Complex[Array, "*b"]:
    """Draw one noisy impedance for every true one, from `circular_student_t`."""
    key_scale, key_noise = jax.random.split(key)
    half = jnp.broadcast_to(0.5 * degrees_of_freedom, mean.shape)
    # Re and Im share one χ² variable: an outlier affects both.
    factor = jnp.sqrt(half / jax.random.gamma(key_scale, half, dtype=half.dtype))
    return sample_complex_gaussian(mean, sigma * factor, key=key_noise)


def _error(mean, sigma_real, sigma_imag, key):
    real, imag = jax.random.normal(key, (2, *mean.shape), mean.real.dtype)
    return jax.lax.complex(sigma_real * real, sigma_imag * imag)


def _direction(mean, modulus):
    return jax.lax.complex(mean.real / modulus, mean.imag / modulus)


def _square(z):
    return z.real**2 + z.imag**2


def _log_one_minus_mills(x):
    """log(1 - x Φ(-x)/φ(x)) for x >= 0; for large x by its asymptotic series."""
    large = x > _SERIES_FROM
    small_x = jnp.where(large, 1.0, x)
    density = jnp.exp(-0.5 * small_x**2 - 0.5 * _LOG_2PI)
    small = jnp.log1p(-small_x * ndtr(-small_x) / density)
    inverse = 1 / jnp.where(large, x, _SERIES_FROM) ** 2
    # 1/x² - 3/x⁴ + 15/x⁶ - ..., by Horner's rule from the last term.
    series = jnp.zeros_like(x)
    for odd in range(2 * _SERIES_TERMS - 1, 0, -2):
        series = odd * inverse * (1 - series)
    return jnp.where(large, jnp.log(series), small)
