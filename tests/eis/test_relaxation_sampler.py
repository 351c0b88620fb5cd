"""The draws of relaxation times are of the posterior: NUTS on a density written anew.

Here the bends themselves are the coordinates, the prior is that of the definition (free
bends given their sum), the integral over τ has another step, and the level of the noise
and its shape are integrated out.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from battprob.eis import ComplexNormal, TwoComponent, _relaxation_mode
from battprob.eis._relaxation import grid, hinges, lines, seen
from battprob.eis._relaxation_draws import draws
from battprob.inference.nuts import diagnose, sample

FREQUENCY = np.logspace(-1, 2, 31)
X = np.linspace(np.log(2e-3), np.log(1.5), 25)


def spectrum():
    noise = np.random.default_rng(3).normal(size=(2, FREQUENCY.size))
    clean = 20 + 50 / (1 + (0.05 * 2j * np.pi * FREQUENCY) ** 0.75)
    return jnp.asarray(clean + 0.4 * (noise[0] + 1j * noise[1]))


def log_density(places, modes, z):
    """Of the bends but the last, end slopes l and r, height, R∞ and inductance."""
    knot, omega = np.asarray(places.knot), 2 * np.pi * FREQUENCY
    scale, size = modes.scale[0], float(np.abs(z).max())
    node = np.arange(knot[0] - 0.3, knot[-1] + 0.3, 0.05)
    turn = omega[None] * np.exp(node)[:, None]
    kernel = 0.05 * np.concatenate([1 / (1 + turn**2), -turn / (1 + turn**2)], axis=1)
    bend = hinges(jnp.asarray(node), places.knot)
    measured = jnp.concatenate([z.real, z.imag])

    def density(theta):
        left, right, height, ohm, henry = theta[-5:]
        last = -(left + right) - jnp.sum(theta[:-5])
        kappa = jnp.concatenate([theta[:-5], last[None]])
        f = bend @ kappa + 0.5 * (left - right) * (node - places.centre) + height
        real, imag = jnp.split(jnp.exp(f) @ kernel, 2)
        model = jnp.concatenate([real + ohm, imag + omega * henry])
        square = (measured - model) ** 2 @ (1 / modes.relative).T
        log_noise = -0.5 * jnp.log(modes.relative).sum(1) - 0.5 * model.size * jnp.log(
            square
        )
        total = jnp.sqrt(jnp.sum(scale**2))
        return (
            logsumexp(log_noise)
            + norm.logpdf(kappa, 0, scale).sum()
            - norm.logpdf(left + right, 0, total)
            + norm.logpdf(theta[-5:-3], 0.7, 0.4).sum()
            + norm.logpdf(height, modes.log_size, 10)
            + norm.logpdf(ohm, 0, 3 * size)
            + norm.logpdf(henry, 0, 3 * size / omega.max())
        )

    return density


def to_theta(modes, z_size, coordinates):
    """From the coordinates of `Modes` to those of `log_density`."""
    line = lines(coordinates[:-2], modes.scale[0])
    ends = 0.7 + 0.4 * coordinates[-5:-3]
    own = [line[:-3], ends, (line[-1] + modes.log_size)[None]]
    size = 3 * z_size * jnp.array([1, 1 / (2 * np.pi * FREQUENCY.max())])
    return jnp.concatenate([*own, coordinates[-2:] * size])


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    reason="eight steps of slices leave log γ 0.55 as wide as it is at the short end of the "
    "band, and R∞ too; inside the band it is 0.8 to 0.95 as wide",
)
def test_draws_are_those_of_nuts(monkeypatch):
    monkeypatch.setattr(_relaxation_mode, "BENDS", ((1.0, 2.0),))
    z, places = spectrum(), grid(FREQUENCY)
    frequency = jnp.asarray(FREQUENCY)
    noise, law, key = ComplexNormal(), TwoComponent(), jax.random.key(0)

    @jax.jit
    def answer(z):
        own = seen(places, frequency, z, jnp.ones_like(z))
        modes = _relaxation_mode.modes(places, own, law, noise, frequency, z)
        known = law.level_known()
        return modes, draws(
            places, own, modes, noise, frequency, known, key=key, num=800
        )

    modes, ours = answer(z)

    def change(coordinates):
        return to_theta(modes, jnp.abs(z).max(), coordinates)

    slope = jax.jacfwd(change)(modes.z[0])
    root = jnp.linalg.cholesky(slope @ modes.covariance[0] @ slope.T)
    centre = change(modes.z[0])
    density = log_density(places, modes, z)
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

    bend = np.asarray(hinges(jnp.asarray(X), places.knot))
    away = X - np.asarray(places.centre)
    kappa = np.column_stack([theta[:, :-5], -theta[:, :-3].sum(1)])
    tilt = 0.5 * (theta[:, -5] - theta[:, -4])
    theirs = kappa @ bend.T + tilt[:, None] * away + theta[:, -3, None]
    line = np.asarray(ours.line)
    f = line[:, :-2] @ bend.T + line[:, -2:-1] * away + line[:, -1:]
    assert np.all(np.abs(f.mean(0) - theirs.mean(0)) < 0.25 * theirs.std(0))
    np.testing.assert_allclose(f.std(0), theirs.std(0), rtol=0.2)
    ohm = np.asarray(ours.series_ohm)
    assert abs(ohm.mean() - theta[:, -2].mean()) < 0.25 * theta[:, -2].std()
    np.testing.assert_allclose(ohm.std(), theta[:, -2].std(), rtol=0.2)
