"""Cycle life is the crossing of the threshold; without a crossing it is censored."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from battprob import DataError, targets
from battprob.data.records import Cell
from battprob.transforms import Log


def cell(capacity_ah, cycle=None, *, name="cell", cycle_life=np.nan, censored=False):
    capacity_ah = np.asarray(capacity_ah, float)
    return Cell(
        name=name,
        cycle=np.arange(1, capacity_ah.size + 1)
        if cycle is None
        else np.asarray(cycle),
        capacity_ah=capacity_ah,
        curve_cycle=None,
        voltage_v=None,
        curve_capacity_ah=None,
        cycle_life=cycle_life,
        censored=censored,
        protocol="4C",
        batch="b1",
        split="train",
        meta={},
    )


def life(*arguments, threshold=0.88):
    target = targets.cycle_life([cell(*arguments)], threshold_ah=threshold)
    return float(target.value[0]), int(target.censored[0])


def test_crossing_is_linear_between_cycles():
    assert life([1.0, 0.9, 0.86, 0.8]) == (pytest.approx(2.5), 0)


def test_a_capacity_at_the_threshold_is_not_below_it():
    assert life([1.0, 0.88, 0.86]) == (2.0, 0)
    assert life([1.0, 0.9, 0.88]) == (3.0, 1)


def test_the_first_crossing_is_used():
    assert life([0.9, 0.86, 0.9, 0.86])[0] == pytest.approx(1.5)


def test_missing_capacities_are_skipped():
    assert life([0.92, np.nan, np.nan, 0.84])[0] == pytest.approx(2.5)
    assert life([0.9, 0.89, np.nan]) == (2.0, 1)


def test_cycles_need_not_be_consecutive():
    assert life([0.90, 0.86], [10, 50])[0] == pytest.approx(30.0)


def test_a_cell_that_starts_below_the_threshold_has_an_upper_bound():
    assert life([np.nan, 0.87, 0.8]) == (2.0, -1)


@hypothesis.given(st.floats(1e-3, 1e3), st.integers(0, 50))
@hypothesis.settings(max_examples=30, deadline=None)
def test_unit_of_capacity_does_not_matter(factor, seed):
    draws = np.random.default_rng(seed).uniform(0, 0.01, 40)
    capacity = 1.1 - np.cumsum(draws)
    value, censored = life(capacity, threshold=1.0)
    scaled, scaled_censored = life(factor * capacity, threshold=factor)
    assert (scaled, scaled_censored) == (pytest.approx(value), censored)


def test_recorded_lives_have_their_censoring_and_transform():
    cells = [
        cell([1.0], name="a", cycle_life=500.0),
        cell([1.0], name="b", cycle_life=900.0, censored=True),
    ]
    target = targets.cycle_life(cells)
    np.testing.assert_array_equal(target.value, [500.0, 900.0])
    np.testing.assert_array_equal(target.censored, [0, 1])
    assert (target.rows, target.name, target.unit) == (
        ("a", "b"),
        "cycle life",
        "cycles",
    )
    assert target.transform == Log()
    assert target.variance is None


def test_cells_without_a_life_are_named():
    cells = [cell([1.0], name="a", cycle_life=5.0), cell([1.0], name="u")]
    with pytest.raises(
        DataError, match=r"no recorded cycle life for 'u'.*threshold_ah"
    ):
        targets.cycle_life(cells)
    with pytest.raises(DataError, match="'cell' has no capacity"):
        life([np.nan])


def test_capacity_at_a_cycle():
    cells = [cell([1.0, 0.9], name="a"), cell([1.1, np.nan], name="b")]
    target = targets.capacity_at(cells, 1)
    np.testing.assert_array_equal(target.value, [1.0, 1.1])
    assert (target.name, target.unit) == ("capacity at cycle 1", "Ah")
    with pytest.raises(DataError, match="no capacity at cycle 2 in 'b'"):
        targets.capacity_at(cells, 2)
    with pytest.raises(DataError, match="no capacity at cycle 3 in 'a', 'b'"):
        targets.capacity_at(cells, 3)


def test_target_lengths_must_agree():
    with pytest.raises(DataError, match=r"2 rows, but variance has shape \(1,\)"):
        targets.Target([1.0, 2.0], rows=["a", "b"], name="t", unit="", variance=[0.1])
