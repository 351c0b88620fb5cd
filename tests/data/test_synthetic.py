"""Synthetic cells follow the documented distribution with varying noise."""

import time

import numpy as np
import pytest
from scipy import stats

from battprob import DataError
from battprob.data import despike, heteroscedastic_regression, population

Z90 = stats.norm.ppf(0.95)


@pytest.fixture(scope="module")
def truth():
    return population(500, seed=7)


@pytest.fixture(scope="module")
def log_life(truth):
    return np.log([cell.cycle_life for cell in truth.cells])


@pytest.fixture(scope="module")
def log_variance(truth):
    """Natural log of the variance of Q100(V) - Q10(V)."""
    return np.log([np.var(c.curve_ah(100) - c.curve_ah(10)) for c in truth.cells])


def test_life_follows_the_documented_distribution(truth, log_life):
    z = (log_life - truth.log_life_mean) / truth.log_life_sd
    assert stats.kstest(z, "norm").pvalue > 0.01
    fast = truth.charge_rate_c > 5
    for half in (fast, ~fast):
        covered = int((np.abs(z[half]) < Z90).sum())
        assert stats.binomtest(covered, int(half.sum()), 0.9).pvalue > 0.01


def test_life_is_the_first_cycle_below_80_percent_of_nominal(truth):
    for cell in truth.cells:
        assert cell.cycle[-1] == cell.cycle_life
        assert cell.capacity_ah[-1] < 0.88 <= cell.capacity_ah[:-1].min()


def test_curves_end_at_the_capacity_of_their_cycle(truth):
    for cell in truth.cells[:20]:
        np.testing.assert_array_equal(
            cell.capacity_ah[:99], cell.curve_capacity_ah[:, -1]
        )
        assert np.abs(np.diff(cell.capacity_ah[90:130])).max() < 4e-3


def test_early_curves_predict_life_as_in_the_real_pack(log_life, log_variance):
    line = stats.linregress(log_variance, log_life)
    assert line.rvalue < -0.8
    assert -0.55 < line.slope < -0.3  # -0.40 in the real pack


def test_magnitudes_agree_with_the_real_pack(log_life, log_variance):
    assert 500 < np.exp(np.median(log_life)) < 1000
    low, high = np.percentile(np.exp(log_variance), [2, 98])
    assert low > 1e-5
    assert high < 2e-3


def test_constant_noise_overcovers_slow_charging_and_undercovers_fast(
    truth, log_life, log_variance
):
    design = np.stack([np.ones(500), log_variance, truth.charge_rate_c], axis=1)
    residual = log_life - design @ np.linalg.lstsq(design, log_life)[0]
    covered = np.abs(residual) < Z90 * residual.std()
    fast = truth.charge_rate_c > 5
    assert covered[~fast].mean() > 0.97
    assert covered[fast].mean() < 0.85


def test_synthetic_cells_have_no_spikes(truth):
    assert sum(len(despike(cell)[1]) for cell in truth.cells[:100]) == 0


def test_the_same_seed_gives_the_same_cells():
    a, b, c = (population(2, seed=s).cells[1] for s in (0, 0, 1))
    np.testing.assert_array_equal(a.curve_capacity_ah, b.curve_capacity_ah)
    assert a.cycle_life != c.cycle_life


def test_batches_are_named():
    names = {cell.batch for cell in population(40, seed=0, num_batches=2).cells}
    assert names == {"batch0", "batch1"}


def test_a_hundred_cells_take_less_than_five_seconds():
    start = time.process_time()
    population(100, seed=0)
    assert time.process_time() - start < 5


def test_zero_cells_are_an_error():
    with pytest.raises(DataError, match="at least one cell and one batch, got 0 and 3"):
        population(0, seed=0)


@pytest.mark.parametrize("num_features", [1, 5])
def test_regression_follows_its_true_moments(num_features):
    data = heteroscedastic_regression(2000, num_features=num_features, seed=3)
    z = (data.y - data.mean) / data.sd
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert data.sd.max() / data.sd.min() > 8
    assert np.corrcoef(data.x[:, -1], np.log(data.sd))[0, 1] == pytest.approx(1)
