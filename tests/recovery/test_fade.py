"""Recovery of a known population of a hundred cells: mean curve, deviations and lives.

Q(n) / Q(0) = 1 - 0.2 (a τ + (1 - a) τ⁶),    τ = n / L,
a ~ N(0.4, 0.05²),    log L ~ N(log 600, 0.25²)
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob.data import Cell
from battprob.trajectories import FadeTrajectory

LINEAR, LINEAR_STD = 0.4, 0.05
LOG_LIFE, LOG_LIFE_STD = np.log(600), 0.25
NOISE = 5e-4
FRACTIONS = np.linspace(0.1, 0.95, 18)

pytestmark = pytest.mark.slow


def loss(tau, linear):
    return 0.2 * (linear * tau + (1 - linear) * tau**6)


def draw(num, rng):
    linear = LINEAR + LINEAR_STD * rng.standard_normal(num)
    life = np.exp(LOG_LIFE + LOG_LIFE_STD * rng.standard_normal(num))
    for i in range(num):
        cycle = np.arange(1, int(1.02 * life[i]))
        noise = NOISE * rng.standard_normal(len(cycle))
        yield Cell(f"{i}", cycle, 1 - loss(cycle / life[i], linear[i]) + noise)


@pytest.fixture(scope="module")
def cells():
    return list(draw(100, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def posterior(cells):
    return FadeTrajectory(progress=False).fit(cells, key=jax.random.key(0))


def test_mean_curve(posterior):
    model = posterior.curve_model
    curve = model.reference + model.shape.mean_curve(jnp.asarray(FRACTIONS))
    np.testing.assert_allclose(curve, 1 - loss(FRACTIONS, LINEAR), atol=2e-3)


def test_standard_deviation_of_curves(posterior):
    tau = np.array([0.4, 0.5, 0.6, 0.7])
    deviations = posterior.curve_model.shape.deviations(jnp.asarray(tau))
    std = np.sqrt(np.sum(np.asarray(deviations) ** 2, axis=-1))
    # The standard deviation of 100 draws is known to 7 %.
    np.testing.assert_allclose(std, 0.2 * LINEAR_STD * (tau - tau**6), rtol=0.25)


def test_a_new_cell_has_the_lives_of_the_population(posterior):
    fresh = Cell("fresh", np.arange(1, 6), np.ones(5))
    life = posterior.forecast(fresh).life(threshold_ah=0.8)
    low, median, high = np.log(np.asarray(life.quantile(np.array([0.16, 0.5, 0.84]))))
    # Of a hundred lives the mean is known to 0.025 and the standard deviation to 7 %.
    np.testing.assert_allclose(median, LOG_LIFE, atol=0.1)
    np.testing.assert_allclose((high - low) / 2, LOG_LIFE_STD, rtol=0.25)
    assert life.epistemic < 0.1 * life.aleatoric
