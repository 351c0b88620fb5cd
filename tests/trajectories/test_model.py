"""Fade trajectories: what a forecast may use, units, draws, crossings, saved files."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob
from battprob import DataError, data
from battprob._modules import replace
from battprob.data import Cell
from battprob.trajectories import FadeTrajectory, _paths, _records
from battprob.trajectories import model as fade
from battprob.trajectories._condition import CurveModel
from battprob.trajectories._shape import (
    Roughness,
    identity_shape,
    make_basis,
    rough_covariance,
    wiener_time,
)

THRESHOLD_AH = 0.88
CELLS = data.population(13, seed=0).cells
NEW, OLD = CELLS[1], CELLS[2:]
AFTER = 0.4 * NEW.cycle_life


def fit(cells, **settings):
    return FadeTrajectory(progress=False, **settings).fit(cells, key=jax.random.key(0))


@pytest.fixture(scope="module")
def posterior():
    return fit(OLD)


@pytest.fixture(scope="module")
def forecast(posterior):
    return posterior.forecast(NEW, after_cycle=AFTER)


def until(cell, cycle):
    keep = cell.cycle <= cycle
    return Cell(cell.name, cell.cycle[keep], cell.capacity_ah[keep])


def rescaled(cell, unit):
    return Cell(cell.name, cell.cycle, unit * cell.capacity_ah)


def assert_same_leaves(one, two):
    leaves = zip(*map(jax.tree.leaves, (one, two)), strict=True)
    for a, b in leaves:
        assert type(a) is type(b)
        assert a.dtype == b.dtype
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(a, b)


def test_life_has_both_uncertainties(forecast):
    life = forecast.life(threshold_ah=THRESHOLD_AH)
    low, high = life.interval(0.98)
    assert low < NEW.cycle_life < high
    assert life.aleatoric > 0
    assert life.epistemic > 0
    assert forecast.uncrossed(THRESHOLD_AH) < 0.05
    assert forecast.horizon > 2 * NEW.cycle_life


def test_after_one_reading_the_life_is_that_of_the_population(posterior):
    first = posterior.forecast(NEW, after_cycle=int(NEW.cycle[0]))
    lives = np.array([cell.cycle_life for cell in OLD])
    life = float(first.life(threshold_ah=THRESHOLD_AH).mean)
    assert lives.min() < life < lives.max()


def test_a_lower_threshold_is_crossed_later(forecast):
    lives = [forecast.life(threshold).mean for threshold in (1.0, 0.9, 0.8)]
    assert lives[0] < lives[1] < lives[2]


def test_later_capacities_are_not_used(posterior, forecast):
    short = posterior.forecast(until(NEW, AFTER))
    np.testing.assert_array_equal(short.paths, forecast.paths)


def test_capacity_has_the_moments_of_paths_and_noise(forecast):
    indices = jnp.asarray([30, 90, 150])
    pred = forecast.capacity(forecast.path_cycle[indices])
    paths = (forecast.start_ah * forecast.paths[:, :, indices]).reshape(-1, 3)
    error = jnp.sqrt(pred.variance / len(paths))
    assert np.all(np.abs(paths.mean(0) - pred.mean) < 4 * error)
    noise = forecast.record.noise_variance * forecast.start_ah**2
    np.testing.assert_allclose(paths.var(0) + noise, pred.variance, rtol=0.2)


def test_monotone_paths_cross_at_the_same_time(posterior, forecast):
    monotone = replace(posterior, monotone=True).forecast(NEW, after_cycle=AFTER)
    assert np.any(np.diff(forecast.paths) > 0)
    assert np.all(np.diff(monotone.paths) <= 0)
    one, two = (f.life(THRESHOLD_AH).mean for f in (monotone, forecast))
    np.testing.assert_allclose(one, two, rtol=1e-3)
    cycles = np.linspace(AFTER + 1, NEW.cycle_life, 20)
    assert np.all(np.diff(monotone.capacity(cycles).mean) <= 0)


def test_predictions_scale_with_the_unit_of_capacity(forecast):
    posterior = fit([rescaled(cell, 1000.0) for cell in OLD])
    other = posterior.forecast(rescaled(NEW, 1000.0), after_cycle=AFTER)
    one = forecast.life(THRESHOLD_AH).quantile(0.5)
    two = other.life(1000 * THRESHOLD_AH).quantile(0.5)
    np.testing.assert_allclose(two, one, rtol=1e-3)


def test_the_order_of_cells_does_not_matter(forecast):
    other = fit(OLD[::-1]).forecast(NEW, after_cycle=AFTER)
    one, two = (f.life(THRESHOLD_AH) for f in (forecast, other))
    np.testing.assert_allclose(two.mean, one.mean, rtol=0.1)


def test_the_life_of_a_cell_that_is_still_alive_is_imputed(posterior):
    oldest = max(OLD, key=lambda cell: cell.cycle_life)
    others = [cell for cell in OLD if cell is not oldest]
    imputed = fit([*others, until(oldest, 0.7 * oldest.cycle_life)])
    drawn = np.asarray(imputed.landmarks.log_life[:, -1])
    assert np.all(np.exp(drawn) > 0.69 * oldest.cycle_life)
    assert drawn.std() > 0
    known = imputed.landmarks.log_life[:, :-1]
    np.testing.assert_allclose(known.std(0), 0.0, atol=1e-12)
    assert imputed.landmarks.log_life.shape == posterior.landmarks.log_life.shape


def test_wrong_readings_and_missing_values_change_little(posterior, forecast):
    capacity = NEW.capacity_ah.copy()
    capacity[10], capacity[30] = np.nan, 10.0
    damaged = dataclasses.replace(NEW, capacity_ah=capacity)
    life = posterior.forecast(damaged, after_cycle=AFTER).life(THRESHOLD_AH)
    expected = forecast.life(THRESHOLD_AH)
    np.testing.assert_allclose(life.mean, expected.mean, rtol=0.1)


def test_saved_posterior_gives_the_same_forecast(posterior, forecast, tmp_path):
    posterior.save(tmp_path / "fade.npz")
    loaded = battprob.load(tmp_path / "fade.npz")
    assert_same_leaves(loaded, posterior)
    assert loaded.report == posterior.report
    again = loaded.forecast(NEW, after_cycle=AFTER)
    np.testing.assert_array_equal(again.paths, forecast.paths)


def test_saved_forecast_gives_the_same_predictions(forecast, tmp_path):
    forecast.save(tmp_path / "cell.npz")
    loaded = battprob.load(tmp_path / "cell.npz")
    assert_same_leaves(loaded, forecast)
    cycles = forecast.path_cycle[10:20]
    for one, two in (
        (loaded.life(THRESHOLD_AH), forecast.life(THRESHOLD_AH)),
        (loaded.capacity(cycles), forecast.capacity(cycles)),
    ):
        np.testing.assert_array_equal(one.mean, two.mean)
        np.testing.assert_array_equal(one.variance, two.variance)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 100])
def test_medians_are_those_of_consecutive_readings(length):
    values = np.random.default_rng(length).standard_normal(length)
    bins = np.array_split(values, min(8, length))
    expected = [np.median(part) for part in bins]
    np.testing.assert_array_equal(_records.medians(values, values, 8)[1], expected)


def test_padded_cells_do_not_change_the_evidence():
    """Assert that one cell and the same cell with an empty record have one evidence."""
    cycle, capacity = _records.readings(NEW)
    record = _records.thin(cycle, capacity / capacity[0], 1e-6)
    data = _records.Record(*(jnp.asarray(np.stack([leaf] * 2)) for leaf in record))
    data = data._replace(mask=data.mask & jnp.asarray([[True], [False]]))
    model = CurveModel(
        identity_shape(make_basis(1.1)),
        fade._initial_roughness(),
        *map(jnp.asarray, (0.8, 500.0, 5.0, 1e-6)),
    )
    data = data._replace(age=data.age / model.typical_life)
    log_life = jnp.log(jnp.asarray([NEW.cycle_life] * 2))
    padded = fade._log_joint(model.roughness, (data, log_life, model))
    one = jax.tree.map(lambda leaf: leaf[:1], (data, log_life))
    alone = fade._log_joint(model.roughness, (*one, model))
    np.testing.assert_allclose(padded, alone, rtol=1e-12)


def test_first_passage_of_a_wiener_process_is_inverse_gaussian():
    """Linear drift from 1: mean and variance of the crossing time in closed form."""
    drift, std, distance = 1.0, 0.15, 0.4
    rough = Roughness(*(jnp.asarray(np.log(v)) for v in (1e-9, 1.0, std)))
    ages = jnp.linspace(1e-3, 1.6, 2000)
    root = np.linalg.cholesky(np.asarray(rough_covariance(rough, ages, ages)))
    wiener = np.random.default_rng(1).standard_normal((2000, len(ages))) @ root.T
    paths = 1 - drift * wiener_time(ages)[None] + wiener
    crossed = wiener_time(
        _paths.first_crossing(paths[None], ages, jnp.asarray(1 - distance))[0]
    )
    mean, variance = distance / drift, distance * std**2 / drift**3
    # Paths are evaluated at 2000 ages only, so they cross a little late.
    np.testing.assert_allclose(crossed.mean(), mean, rtol=0.02)
    np.testing.assert_allclose(crossed.var(), variance, rtol=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, f: fit(OLD[:2]), "only 2 of 2 cells.*at least 3"),
        (lambda p, f: fit([*OLD, OLD[0]]), "names must differ"),
        (lambda p, f: p.forecast(NEW, after_cycle=1e6), "last cycle of cell"),
        (lambda p, f: p.forecast(Cell("x", [1, 2], [np.nan] * 2)), "no capacity"),
        (lambda p, f: p.forecast(Cell("x", [1, 2], [0.0, 0.0])), "starts with"),
        (lambda p, f: f.life(2.0), "between 0 and"),
        (lambda p, f: p.forecast(NEW).life(1.0), "already"),
        (lambda p, f: f.capacity([1.0]), "after"),
    ],
)
def test_invalid_requests_are_refused(call, message, posterior, forecast):
    with pytest.raises(DataError, match=message):
        call(posterior, forecast)


@pytest.mark.slow
def test_coverage_and_sharpness_on_populations():
    """Forecast thirty cells from 30 % of life by forty others, four times."""
    hits, scores, base = [], [], []
    for seed in (3, 4, 5, 6):
        cells = data.population(70, seed=seed).cells
        posterior = fit(cells[:40])
        lives = np.array([cell.cycle_life for cell in cells])
        pairs = np.abs(lives[:40, None] - lives[None, :40]).mean()
        for cell, life in zip(cells[40:], lives[40:], strict=True):
            pred = posterior.forecast(cell, after_cycle=0.3 * life).life(THRESHOLD_AH)
            low, high = pred.interval(0.9)
            hits.append(low <= life <= high)
            scores.append(pred.crps(life))
            base.append(np.abs(lives[:40] - life).mean() - 0.5 * pairs)
    assert 0.85 <= np.mean(hits) <= 0.97
    assert np.mean(scores) < 0.6 * np.mean(base)
