r"""Densities of a measured impedance, its magnitude and its phase around a true one.

Write $Z$ for what was measured, $\mu$ for the truth, $\nu = |\mu|$, and $\sigma$ for the
standard deviation of **each** of Re and Im. Which law holds depends on what was recorded:

- real and imaginary part, or magnitude *and* phase: a law of the complex number;
- the magnitude alone: `rician_magnitude`;
- the phase alone: `phase` (exact), `phase_given_magnitude` where the magnitude is known.

Rician magnitude times von Mises phase is r times the complex Gaussian; Rician times the
*marginal* phase is not, as the two are dependent.

A σ that depends on μ brings its own log σ² term: every density here is normalised.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import i0e, log_ndtr, ndtr

from battprob._typing import Array, Complex, Float, PRNGKey

_LOG_2PI = 1.8378770664093453
_SERIES_FROM = 20.0
_SERIES_TERMS = 12


def complex_gaussian(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density of the circular complex Gaussian, the law of response analysers.

    $-\log 2\pi\sigma^2 - |Z - \mu|^2 / 2\sigma^2$

    Args:
        impedance: measured, in Ohm.
        mean: true, in Ohm.
        sigma: standard deviation of each of Re and Im, in Ohm.

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
    r"""Log density with Re and Im independent, of unequal variance.

    $-\log 2\pi - \frac12\log\sigma_r^2\sigma_j^2
    - (Z_r - \mu_r)^2/2\sigma_r^2 - (Z_j - \mu_j)^2/2\sigma_j^2$

    Args:
        impedance: measured, in Ohm.
        mean: true, in Ohm.
        variance: σ² of Re and of Im, in Ohm².
    """
    away = impedance - mean
    square = away.real**2 / variance[0] + away.imag**2 / variance[1]
    return -_LOG_2PI - 0.5 * jnp.log(variance).sum(0) - 0.5 * square


def polar_gaussian(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma_magnitude: Float[Array, "*#b"],
    sigma_phase: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density for lock-in instruments: magnitude and phase err independently.

    The covariance is $R(\varphi)\,\mathrm{diag}(\sigma_r^2, \nu^2\sigma_\varphi^2)\,
    R(\varphi)^\top$ with φ the phase of μ.

    Args:
        impedance: measured, in Ohm.
        mean: true, in Ohm; not zero.
        sigma_magnitude: standard deviation along μ, in Ohm.
        sigma_phase: standard deviation of the phase, in rad.

    References:
        Carson et al., J. Electrochem. Soc. 150 (2003) E477 and E491.
    """
    modulus = jnp.abs(mean)
    along = (impedance - mean) * jnp.conj(_direction(mean, modulus))
    across_sigma = modulus * sigma_phase
    square = (along.real / sigma_magnitude) ** 2 + (along.imag / across_sigma) ** 2
    return -_LOG_2PI - jnp.log(sigma_magnitude) - jnp.log(across_sigma) - 0.5 * square


def circular_student_t(
    impedance: Complex[Array, "*b"],
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
    degrees_of_freedom: Float[Array, "*#b"],
) -> Float[Array, "*b"]:
    r"""Log density of the circular Student-t, for spectra with wild points.

    $-\log 2\pi\sigma^2 - (\nu_t/2 + 1)\,\log(1 + |Z - \mu|^2 / \nu_t\sigma^2)$

    Args:
        impedance: measured, in Ohm.
        mean: true, in Ohm.
        sigma: scale of each of Re and Im, in Ohm.
        degrees_of_freedom: ν_t; the Gaussian is the limit of many.
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

    $\log r - 2\log\sigma - (r - \nu)^2 / 2\sigma^2 + \log I_0^e(r\nu/\sigma^2)$

    Args:
        magnitude: r = |Z|, measured, in Ohm.
        mean_magnitude: ν = |μ|, in Ohm.
        sigma: standard deviation of each of Re and Im, in Ohm.

    References:
        Rice, Bell Syst. Tech. J. 24 (1945) 46, doi:10.1002/j.1538-7305.1945.tb00453.x.
    """
    bessel = jnp.log(i0e(magnitude * mean_magnitude / sigma**2))
    square = ((magnitude - mean_magnitude) / sigma) ** 2
    return jnp.log(magnitude) - 2 * jnp.log(sigma) - 0.5 * square + bessel


def phase(delta: Float[Array, "*b"], kappa: Float[Array, "*#b"]) -> Float[Array, "*b"]:
    r"""Log density of a phase recorded without its magnitude.

    $p = \frac{e^{-\kappa^2/2}}{2\pi} + \frac{t}{\sqrt{2\pi}}\,
    e^{-\kappa^2\sin^2\delta/2}\,\Phi(t)$ with $t = \kappa\cos\delta$; behind the
    circle (t < 0) the two terms cancel, and Mills' ratio takes their place.

    Args:
        delta: measured minus true phase, in rad.
        kappa: ν/σ, the signal-to-noise ratio.
    """
    along = kappa * jnp.cos(delta)
    floor = -_LOG_2PI - 0.5 * kappa**2
    ahead = along > 0
    t = jnp.where(ahead, along, 1.0)
    across = kappa * jnp.sin(delta)
    peak = jnp.log(t) - 0.5 * _LOG_2PI - 0.5 * across**2 + log_ndtr(t)
    behind = floor + _log_one_minus_mills(jnp.where(ahead, 0.0, -along))
    return jnp.where(ahead, jnp.logaddexp(floor, peak), behind)


def phase_given_magnitude(
    delta: Float[Array, "*b"], concentration: Float[Array, "*#b"]
) -> Float[Array, "*b"]:
    r"""Log density of the phase where the magnitude r is known: von Mises(rν/σ²).

    Args:
        delta: measured minus true phase, in rad.
        concentration: rν/σ².

    Example:
        >>> at = phase_given_magnitude(jnp.array(0.2), jnp.array(4.0))
        >>> round(float(at), 6)
        -0.342584
    """
    drop = 2 * concentration * jnp.sin(0.5 * delta) ** 2
    return -drop - _LOG_2PI - jnp.log(i0e(concentration))


def sample_complex_gaussian(
    mean: Complex[Array, "*b"], sigma: Float[Array, "*#b"], *, key: PRNGKey
) -> Complex[Array, "*b"]:
    """One noisy impedance for every true one (the law of `complex_gaussian`)."""
    return mean + _error(mean, sigma, sigma, key)


def sample_polar_gaussian(
    mean: Complex[Array, "*b"],
    sigma_magnitude: Float[Array, "*#b"],
    sigma_phase: Float[Array, "*#b"],
    *,
    key: PRNGKey,
) -> Complex[Array, "*b"]:
    """As above, by the law of `polar_gaussian`."""
    modulus = jnp.abs(mean)
    error = _error(mean, sigma_magnitude, modulus * sigma_phase, key)
    return mean + error * _direction(mean, modulus)


def _error(mean, sigma_real, sigma_imag, key):
    real, imag = jax.random.normal(key, (2, *mean.shape), mean.real.dtype)
    return jax.lax.complex(sigma_real * real, sigma_imag * imag)


def sample_circular_student_t(
    mean: Complex[Array, "*b"],
    sigma: Float[Array, "*#b"],
    degrees_of_freedom: Float[Array, "*#b"],
    *,
    key: PRNGKey,
) -> Complex[Array, "*b"]:
    """One noisy impedance for every true one (the law of `circular_student_t`)."""
    key_scale, key_noise = jax.random.split(key)
    half = jnp.broadcast_to(0.5 * degrees_of_freedom, mean.shape)
    shrink = jnp.sqrt(half / jax.random.gamma(key_scale, half, dtype=half.dtype))
    return sample_complex_gaussian(mean, sigma * shrink, key=key_noise)


def _direction(mean, modulus):
    return jax.lax.complex(mean.real / modulus, mean.imag / modulus)


def _square(z):
    return z.real**2 + z.imag**2


def _log_one_minus_mills(x):
    """log(1 - x Φ(-x)/φ(x)) for x >= 0; by its asymptotic series where 1 - ... cancels."""
    far = x > _SERIES_FROM
    near_x = jnp.where(far, 1.0, x)
    density = jnp.exp(-0.5 * near_x**2 - 0.5 * _LOG_2PI)
    near = jnp.log1p(-near_x * ndtr(-near_x) / density)
    inverse = 1 / jnp.where(far, x, _SERIES_FROM) ** 2
    # 1/x² - 3/x⁴ + 15/x⁶ - ..., by Horner's rule from its last term.
    series = jnp.zeros_like(x)
    for odd in range(2 * _SERIES_TERMS - 1, 0, -2):
        series = odd * inverse * (1 - series)
    return jnp.where(far, jnp.log(series), near)
