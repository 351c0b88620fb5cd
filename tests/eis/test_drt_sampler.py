"""The draws of relaxation times agree with NUTS on an independent density.

In the reference the slope changes themselves are the coordinates, the prior is that of
the definition (independent changes given their sum), the integral over τ has another
step, and the variance scale and the noise logits are integrated out.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from battprob.eis import ComplexNormal, TwoComponent, _drt_mode
from battprob.eis._drt_draws import draws
from battprob.eis._drt_prior import (
    corner_functions,
    line_coefficients,
    rotated_spectrum,
    tau_grid,
)
from battprob.inference.nuts import diagnose, sample

FREQUENCY = np.logspace(-1, 2, 31)
X = np.linspace(np.log(2e-3), np.log(1.5), 25)


def spectrum():
    noise = np.random.default_rng(3).normal(size=(2, FREQUENCY.size))
    clean = 20 + 50 / (1 + (0.05 * 2j * np.pi * FREQUENCY) ** 0.75)
    return jnp.asarray(clean + 0.4 * (noise[0] + 1j * noise[1]))


def log_density(grid, modes, z):
    """Density of all slope changes but the last, l, r, height, R∞ and inductance."""
    knot, omega = np.asarray(grid.knot), 2 * np.pi * FREQUENCY
    scale, size = modes.scale[0], float(np.abs(z).max())
    node = np.arange(knot[0] - 0.3, knot[-1] + 0.3, 0.05)
    omega_tau = omega[None] * np.exp(node)[:, None]
    real = 1 / (1 + omega_tau**2)
    kernel = 0.05 * np.concatenate([real, -omega_tau * real], axis=1)
    corners = corner_functions(jnp.asarray(node), grid.knot)
    measured = jnp.concatenate([z.real, z.imag])

    def density(theta):
        left, right, height, ohm, henry = theta[-5:]
        last = -(left + right) - jnp.sum(theta[:-5])
        kappa = jnp.concatenate([theta[:-5], last[None]])
        f = corners @ kappa + 0.5 * (left - right) * (node - grid.centre) + height
        real, imag = jnp.split(jnp.exp(f) @ kernel, 2)
        model = jnp.concatenate([real + ohm, imag + omega * henry])
        square = (measured - model) ** 2 @ (1 / modes.relative_variance).T
        log_noise = -0.5 * jnp.log(modes.relative_variance).sum(
            1
        ) - 0.5 * model.size * jnp.log(square)
        total = jnp.sqrt(jnp.sum(scale**2))
        return (
            logsumexp(log_noise)
            + norm.logpdf(kappa, 0, scale).sum()
            - norm.logpdf(left + right, 0, total)
            + norm.logpdf(theta[-5:-3], 0.7, 0.4).sum()
            + norm.logpdf(height, modes.log_gamma_scale, 10)
            + norm.logpdf(ohm, 0, 3 * size)
            + norm.logpdf(henry, 0, 3 * size / omega.max())
        )

    return density


def to_theta(modes, z_size, coordinates):
    """From the coordinates of `Modes` to those of `log_density`."""
    line = line_coefficients(coordinates[:-2], modes.scale[0])
    slopes = 0.7 + 0.4 * coordinates[-5:-3]
    parts = [line[:-3], slopes, (line[-1] + modes.log_gamma_scale)[None]]
    size = 3 * z_size * jnp.array([1, 1 / (2 * np.pi * FREQUENCY.max())])
    return jnp.concatenate([*parts, coordinates[-2:] * size])


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    reason="with eight slice steps the sd of log γ at the short end of the band, and "
    "of R∞, is 0.55 times that of NUTS; inside the band it is 0.8 to 0.95 times",
)
def test_draws_are_those_of_nuts(monkeypatch):
    monkeypatch.setattr(_drt_mode, "ROUGHNESS", ((1.0, 2.0),))
    z, grid = spectrum(), tau_grid(FREQUENCY)
    frequency = jnp.asarray(FREQUENCY)
    likelihood, noise, key = ComplexNormal(), TwoComponent(), jax.random.key(0)

    @jax.jit
    def fit(z):
        rotated = rotated_spectrum(grid, frequency, z, jnp.ones_like(z))
        modes = _drt_mode.modes(grid, rotated, noise, likelihood, frequency, z)
        known = noise.prior_degrees_of_freedom()
        return modes, draws(
            grid, rotated, modes, likelihood, frequency, known, key=key, num=800
        )

    modes, ours = fit(z)

    def change(coordinates):
        return to_theta(modes, jnp.abs(z).max(), coordinates)

    jacobian = jax.jacfwd(change)(modes.z[0])
    root = jnp.linalg.cholesky(jacobian @ modes.covariance[0] @ jacobian.T)
    centre = change(modes.z[0])
    density = log_density(grid, modes, z)
    start = 0.3 * jax.random.normal(key, (4, len(centre)))

    @jax.jit
    def chains(start):
        return sample(
            lambda u: density(centre + root @ u),
            start,
            key=key,
            num_warmup=300,
            num_samples=500,
            max_tree_depth=6,
        )

    drawn, diverged = chains(start)
    r_hat, _ = diagnose(drawn)
    assert r_hat < 1.02
    assert np.mean(diverged) < 0.01
    white = np.asarray(drawn).reshape(-1, len(centre))
    theta = np.asarray(centre) + white @ np.asarray(root).T

    corners = np.asarray(corner_functions(jnp.asarray(X), grid.knot))
    offset = X - np.asarray(grid.centre)
    kappa = np.column_stack([theta[:, :-5], -theta[:, :-3].sum(1)])
    tilt = 0.5 * (theta[:, -5] - theta[:, -4])
    theirs = kappa @ corners.T + tilt[:, None] * offset + theta[:, -3, None]
    line = np.asarray(ours.coefficients)
    f = line[:, :-2] @ corners.T + line[:, -2:-1] * offset + line[:, -1:]
    assert np.all(np.abs(f.mean(0) - theirs.mean(0)) < 0.25 * theirs.std(0))
    np.testing.assert_allclose(f.std(0), theirs.std(0), rtol=0.2)
    ohm = np.asarray(ours.series_ohm)
    assert abs(ohm.mean() - theta[:, -2].mean()) < 0.25 * theta[:, -2].std()
    np.testing.assert_allclose(ohm.std(), theta[:, -2].std(), rtol=0.2)
