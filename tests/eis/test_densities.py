"""Densities of impedance agree with reference values, and samplers with densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from battprob.eis import densities, distributions

_COMPLEX = [
    (0.0, 0.0, 1.0, -1.83787706640935),
    (0.3, -0.4, 0.25, -1.06528834416956),
    (0.001, 0.002, 0.0015, 10.0555921642275),
]
_RICE = [
    (1, 1, 0.5, -0.18873284336465),
    (0.3, 0, 0.2, 0.889903020542265),
    (0.021, 0.02, 0.0001, -41.6842001029179),
    (0.05, 0.2, 0.1, -0.279647729058721),
    (5, 40, 1, -614.458032733342),
    (1000, 1000, 1, -0.91893840820461),
    (0.0001, 1, 1, -9.71034037447618),
    (1e-8, 1e-8, 1e-6, 9.21024037447618),
    (2, 3, 10, -3.97612320784718),
]
_PHASE = [
    (0, 1, -0.838912314355366),
    (0.5, 2, -0.807016685024294),
    (3, 2, -5.67408745564134),
    (np.pi, 10, -56.472060569327),
    (0.01, 100, 3.18619831839451),
    (0.001, 10000, -41.7085819945641),
    (2, 0.1, -1.89466382001655),
    (0.3, 0, -1.83787706640935),
    (np.pi / 2, 5, -14.3378770664093),
    (3, 40, -809.197428991434),
    (1.6, 40, -803.052132996991),
    (-0.7, 1.5, -1.19545145105967),
]
_VON_MISES = [
    (0.2, 4, -0.342583550559838),
    (3, 0.5, -2.39442303389505),
    (0.01, 10000, 3.18622331881113),
    (1, 0, -1.83787706640935),
]
_STUDENT = [
    (0.25, 0.25, 4.0, -1.1447298858494),
    (4.0, 0.25, 4.0, -7.56492837633821),
    (0.25, 0.25, 1e8, -1.06528834416956),
]


PHASE = jax.jit(densities.phase)
PHASE_SLOPE = jax.jit(jax.vmap(jax.grad(densities.phase), in_axes=(0, None)))


def _columns(table):
    return [np.array(column, float) for column in zip(*table, strict=True)]


def test_complex_gaussian_matches_references():
    real, imag, sigma, expected = _columns(_COMPLEX)
    z = real + 1j * imag
    got = jax.jit(densities.complex_gaussian)(z, np.zeros_like(z), sigma)
    np.testing.assert_allclose(got, expected, rtol=2e-13)


@pytest.mark.parametrize(
    ("density", "table"),
    [
        (densities.rician_magnitude, _RICE),
        (densities.phase, _PHASE),
        (densities.phase_given_magnitude, _VON_MISES),
    ],
)
def test_magnitude_and_phase_match_references(density, table):
    *arguments, expected = _columns(table)
    np.testing.assert_allclose(jax.jit(density)(*arguments), expected, rtol=1e-12)


def test_student_matches_references():
    square, sigma, dof, expected = _columns(_STUDENT)
    z = np.sqrt(square) + 0j
    got = jax.jit(densities.circular_student_t)(z, np.zeros_like(z), sigma, dof)
    # The reference of the last row is the Gaussian limit; 1e8 degrees of freedom reach
    # eight digits of it.
    np.testing.assert_allclose(got[:2], expected[:2], rtol=1e-12)
    np.testing.assert_allclose(got[2], expected[2], rtol=1e-7)


def test_rician_times_von_mises_is_r_times_complex_gaussian():

    @jax.jit
    def both(r, nu, sigma, delta):
        polar = densities.rician_magnitude(r, nu, sigma)
        polar += densities.phase_given_magnitude(delta, r * nu / sigma**2)
        z = jax.lax.complex(r * jnp.cos(delta), r * jnp.sin(delta))
        mean = jax.lax.complex(nu, jnp.zeros_like(nu))
        return polar, jnp.log(r) + densities.complex_gaussian(z, mean, sigma)

    polar, cartesian = both(*(np.array(a) for a in (1.2, 1.0, 0.5, 0.4)))
    np.testing.assert_allclose(polar, cartesian, rtol=1e-13)
    np.testing.assert_allclose(polar, -0.728168377281652, rtol=1e-12)


@pytest.mark.parametrize("kappa", [0.3, 2.0, 8.0])
def test_phase_integrates_to_one_and_is_finite_at_opposite_phases(kappa):
    log_density = PHASE

    def density(delta):
        return np.exp(float(log_density(delta, kappa)))

    total = integrate.quad(density, -np.pi, np.pi, epsabs=1e-10, points=[0.0])[0]
    assert total == pytest.approx(1.0, abs=1e-8)
    slope = PHASE_SLOPE(np.linspace(-3.1, 3.1, 41), np.array(40.0))
    assert np.all(np.isfinite(slope))


def test_polar_gaussian_is_the_rotated_bivariate_normal():
    mean, z = 0.02 - 0.03j, 0.0205 - 0.0292j
    sigma_r, sigma_phase = 3e-4, 0.02
    angle = np.angle(mean)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = turn @ np.diag([sigma_r**2, (abs(mean) * sigma_phase) ** 2]) @ turn.T
    expected = stats.multivariate_normal([mean.real, mean.imag], covariance).logpdf(
        [z.real, z.imag]
    )
    got = jax.jit(densities.polar_gaussian)(
        *(np.array([a]) for a in (z, mean, sigma_r, sigma_phase))
    )
    np.testing.assert_allclose(got[0], expected, rtol=1e-12)


def _draws(distribution, key, num=20000):
    return np.asarray(jax.jit(lambda key: distribution.sample(key, (num,)))(key))


def test_samplers_follow_their_densities(key):
    """The mean log density of draws is minus the entropy, found by quadrature."""
    mean, sigma = jnp.array([1.0 - 2.0j]), jnp.array([0.7])
    gaussian = distributions.ComplexGaussian(mean, sigma)
    entropy = 1 + np.log(2 * np.pi * 0.49)
    drawn = _draws(gaussian, key)
    assert -jax.jit(gaussian.log_prob)(drawn).mean() == pytest.approx(entropy, abs=0.03)
    polar = distributions.PolarGaussian(mean, jnp.array(0.2), jnp.array(0.3))
    entropy = 1 + np.log(2 * np.pi * 0.2 * 0.3 * np.sqrt(5))
    drawn = _draws(polar, key)
    assert -jax.jit(polar.log_prob)(drawn).mean() == pytest.approx(entropy, abs=0.03)
    student = distributions.CircularStudentT(mean, sigma, jnp.array(5.0))
    drawn = _draws(student, key) - np.array([1.0, -2.0])
    assert drawn.var() == pytest.approx(0.49 * 5 / 3, rel=0.06)


@pytest.mark.parametrize(
    ("distribution", "reference"),
    [
        (distributions.Rician(1.0, 0.5), stats.rice(2.0, scale=0.5)),
        (distributions.Rician(0.0, 0.5), stats.rayleigh(scale=0.5)),
    ],
)
def test_rician_draws_and_density_are_scipys(distribution, reference, key):
    assert stats.kstest(_draws(distribution, key, 5000), reference.cdf).pvalue > 1e-3
    x = np.array([0.2, 0.7, 1.9])
    expected = reference.logpdf(x)
    np.testing.assert_allclose(jax.jit(distribution.log_prob)(x), expected, rtol=1e-10)


def test_phase_draws_follow_the_exact_density(key):
    distribution = distributions.PhaseDistribution(jnp.array(2.8), jnp.array(1.2))
    drawn = _draws(distribution, key, 5000)
    grid = np.linspace(-np.pi, np.pi, 4001)
    density = np.exp(jax.jit(distribution.log_prob)(grid))
    cumulative = integrate.cumulative_trapezoid(density, grid, initial=0.0)
    test = stats.kstest(drawn, lambda x: np.interp(x, grid, cumulative))
    assert test.pvalue > 1e-3
