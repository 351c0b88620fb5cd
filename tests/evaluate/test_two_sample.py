"""Two-sample tests have their nominal size, and agree with a direct computation."""

import itertools

import jax
import numpy as np
import pytest
from scipy.stats import binom

from battprob import DataError, Predictive
from battprob.evaluate import classifier_test, detect_shift, pit_test, two_sample_test
from battprob.evaluate.two_sample import pooled

KINDS = ["energy", "mmd"]


def key(seed):
    return jax.random.key(seed)


def rejections(test, num=200, level=0.1):
    rng = np.random.default_rng(0)
    p = [test(rng, key(seed)).p_value for seed in range(num)]
    return int(np.sum(np.array(p) <= level))


def test_energy_distance_agrees_with_its_definition_and_p_with_all_permutations():
    x, y = np.array([0.0, 1.0, 3.0, 7.0]), np.array([2.0, 9.0, 10.0, 12.0])
    rows, _ = pooled(x, y)
    rows = rows[:, 0]

    def energy(first):
        a, b = rows[list(first)], np.delete(rows, list(first))
        between = np.abs(a[:, None] - b[None]).mean()
        within = [np.abs(z[:, None] - z[None]).mean() for z in (a, b)]
        return 2 * between - sum(within)

    result = two_sample_test(x, y, key=key(0), num_permutations=20_000)
    assert result.statistic == pytest.approx(energy(range(4)))
    distances = [energy(c) for c in itertools.combinations(range(8), 4)]
    exact = np.mean(np.array(distances) >= result.statistic - 1e-12)
    assert result.p_value == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_permutation_tests_have_their_nominal_size(kind):
    def test(rng, key):
        x = rng.exponential(size=(30, 2))
        return two_sample_test(x[:18], x[18:], kind, key=key, num_permutations=99)

    assert rejections(test) <= binom.ppf(0.999, 200, 0.1)


def test_pit_and_classifier_tests_have_their_nominal_size():
    def pit(rng, key):
        return pit_test(
            Predictive.gaussian(np.zeros(5), 1.0),
            rng.normal(size=5),
            key=key,
            num_draws=199,
        )

    def classifier(rng, key):
        x = rng.normal(size=(40, 2))
        return classifier_test(x[:25], x[25:], key=key)

    assert rejections(pit) <= binom.ppf(0.999, 200, 0.1)
    assert rejections(classifier, num=60) <= binom.ppf(0.999, 60, 0.1)


def test_a_shift_is_detected_and_its_feature_named():
    rng = np.random.default_rng(0)
    reference, new = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    new[:, 1] += 1.5
    pred, y = Predictive.gaussian(np.zeros(6), 1.0), np.full(6, 2.5)
    shift = detect_shift(
        reference, new, key=key(0), features=["rate", "temperature_c"], pred=pred, y=y
    )
    assert shift.is_shifted
    assert shift.p_values[1] < 0.01 < shift.p_values[0]
    assert 1.0 < shift.standardised[1] < 2.0
    assert shift.uniformity is not None
    assert shift.uniformity.bias > 1
    assert "temperature_c" in repr(shift)
    assert "shifted (p" in repr(shift)
    same = detect_shift(reference[:30], reference[30:], key=key(1))
    assert not same.is_shifted
    assert "no significant shift" in repr(same)


def test_unusable_samples_raise():
    rows = np.ones((5, 2))
    with pytest.raises(DataError, match="same features"):
        two_sample_test(rows, rows[:, :1], key=key(0))
    with pytest.raises(DataError, match="4 or more rows; got 5 and 3"):
        two_sample_test(rows, rows[:3], key=key(0))
    with pytest.raises(
        DataError, match="row 0 of the new sample is not finite in column 0"
    ):
        two_sample_test(rows, rows * np.nan, key=key(0))
    with pytest.raises(DataError, match="pred and y belong together"):
        detect_shift(rows, rows, key=key(0), y=np.ones(5))
