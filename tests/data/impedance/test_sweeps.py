"""Rows of a table are split into sweeps: two are not merged, one is not split."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.impedance.sweeps import point_statements, split_sweeps
from tests.data.impedance.tables import decades, table

DOWN = decades()
N = len(DOWN)
NOISE = np.random.default_rng(0).normal(size=8 * N)


def split(frequency, *, by=(), **columns):
    """Number of points, key and `meta` of each sweep, and the statements."""
    raw = table({"f": frequency} | columns)
    rows = np.arange(len(frequency))
    sweeps, statements = split_sweeps(raw, rows, np.array(frequency, float), [0], by)
    sizes = [len(sweep.points) for sweep in sweeps]
    keys = ["/".join(sweep.key) for sweep in sweeps]
    return sizes, keys, [sweep.meta for sweep in sweeps], statements


def orders():
    """Sequences of frequencies and the points of their sweeps."""
    jitter = 1 + 1e-4 * NOISE[: 2 * N]
    shuffled = np.random.default_rng(1).permutation(DOWN)
    up_down = [*DOWN[::-1], *DOWN]
    return {
        "one": (DOWN, [N]),
        "two": ([*DOWN, *DOWN], [N, N]),
        "two up": ([*DOWN[::-1], *DOWN[::-1]], [N, N]),
        "two with inexact frequencies": (np.tile(DOWN, 2) * jitter, [N, N]),
        "second interrupted": ([*DOWN, *DOWN[:4]], [N, 4]),
        "second interrupted after one point": ([*DOWN, DOWN[0]], [N, 1]),
        "first interrupted": ([*DOWN[:5], *DOWN], [5, N]),
        "third interrupted": ([*DOWN, *DOWN, *DOWN[:3]], [N, N, 3]),
        "coarser": ([*DOWN, *decades(per_decade=2)], [N, 9]),
        "finer": ([*decades(per_decade=2), *DOWN], [9, N]),
        "another range": ([*DOWN, *decades(3, -1)], [N, N]),
        "up and down": (up_down, [2 * N]),
        "up and down twice": ([*up_down, *up_down], [2 * N, 2 * N]),
        "from the middle up, then down": ([*DOWN[6:0:-1], *DOWN], [N + 6]),
        "one frequency again at the end": ([*DOWN, DOWN[4]], [N + 1]),
        "one frequency again in the middle": ([*DOWN[:8], DOWN[4], *DOWN[8:]], [N + 1]),
        "the first again in the middle": ([*DOWN[:8], DOWN[0], *DOWN[8:]], [N + 1]),
        "each frequency three times": (np.repeat(DOWN, 3), [3 * N]),
        "no order": (shuffled, [N]),
        "no order, twice the same": ([*shuffled, *shuffled], [N, N]),
        "overlapping parts": ([*decades(5, 2), *decades(2, -1) * 1.3], [20]),
        "parts in another order": (
            [*decades(2, 1), *decades(4, 3) * 1.1, *decades(1, 0) * 0.9],
            [12],
        ),
        "two frequencies": ([100, 1] * 4, [2] * 4),
        "linear": (np.tile(np.linspace(1e4, 100, 50), 2), [50, 50]),
        "a single frequency": ([1000.0] * 5, [5]),
        "a single point": ([1000.0], [1]),
    }


@pytest.mark.parametrize("order", orders())
def test_sweeps_by_the_order_of_the_frequencies(order):
    """Assert the points of each sweep, and that several sweeps are stated."""
    frequency, points = orders()[order]
    sizes, keys, _, statements = split(frequency)
    assert sizes == points
    if len(points) == 1:
        assert (keys, statements) == ([""], ())
    else:
        assert keys == [str(i + 1) for i in range(len(points))]
        assert f"{len(points)} spectra: a new one starts where" in statements[0]


def test_columns_that_number_spectra():
    """Assert that labels are used, also where the frequency does not jump back."""
    both = [*DOWN, *DOWN[::-1]]
    sizes, keys, meta, statements = split(both, **{"cycle number": [1] * N + [20] * N})
    assert (sizes, keys) == ([N, N], ["1", "20"])
    assert [one["cycle number"] for one in meta] == [1, 20]
    assert statements == ("2 spectra, distinguished by column 'cycle number'",)
    _, keys, *_ = split(np.tile(DOWN, 2), cell=["a"] * N + ["b"] * N)
    assert keys == ["a", "b"]


def test_columns_that_count_something_else_do_not_split():
    """Assert that row numbers and counts of periods are not taken for sweeps."""
    assert split(DOWN, measurement=range(N))[0] == [N]
    assert split(DOWN, cycles=[10] * 6 + [5] * 4 + [2] * (N - 10))[0] == [N]


def test_sweeps_inside_groups():
    """Assert that several sweeps of one cell are numbered."""
    _, keys, _, statements = split(np.tile(DOWN, 4), cell=["a"] * 2 * N + ["b"] * 2 * N)
    assert keys == ["a/1", "a/2", "b/1", "b/2"]
    assert statements[0].startswith(
        "4 spectra, distinguished by column 'cell'; in each"
    )
    _, keys, *_ = split(
        np.tile(DOWN, 4), cycle=[1] * 2 * N + [2] * 2 * N, loop=([0] * N + [1] * N) * 2
    )
    assert keys == ["1/0", "1/1", "2/0", "2/1"]


def test_rows_that_alternate():
    """Assert that text or balanced numbers distinguish alternating rows."""
    twice = np.repeat(DOWN, 2)
    assert split(twice, electrolyte=["x", "y"] * N)[1] == ["x", "y"]
    columns = {"E": NOISE[: 2 * N], "soc": [10, 20] * N}
    assert split(twice, **columns)[1] == ["10", "20"]
    assert split(twice, E=NOISE[: 2 * N])[0] == [2 * N]


def test_constant_columns_go_to_meta():
    """Assert that conditions of each sweep are kept, and columns of zeros are not."""
    columns = {
        "T/°C": [25] * N + [45] * N,
        "zero": np.zeros(2 * N),
        "E/V": NOISE[: 2 * N],
        "note": ["fresh"] * N + [""] * N,
    }
    _, _, meta, _ = split(np.tile(DOWN, 2), **columns)
    assert meta == [{"T/°C": 25, "note": "fresh"}, {"T/°C": 45}]


def test_groups_chosen_by_the_caller():
    """Assert that `by` groups the rows, and repeated sweeps in a group are split."""
    frequency, run = np.tile(DOWN, 2), [1] * N + [2] * N
    assert split(frequency, by=["t"], t=run)[1] == ["1", "2"]
    assert split(frequency, by=["t"], t=[1] * 2 * N)[1] == ["1", "2"]
    assert split(np.repeat(DOWN, 2), by=["t"], t=["u", "v"] * N)[1] == ["u", "v"]
    with pytest.raises(DataError, match="no column 'x'"):
        split(frequency, by=["x"], t=run)


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        (DOWN, []),
        (
            [*DOWN[::-1], *DOWN],
            ["rise and then fall: one", "1 Hz occurs 2 times and 12"],
        ),
        ([3.0, 1.0, 2.0, 0.5], ["not sorted"]),
        (
            [3.0, 3.0001, 1.0],
            ["not sorted|rise and then", "frequency 3 Hz occurs 2 times,"],
        ),
    ],
)
def test_order_and_repetitions_are_stated(frequency, expected):
    """Assert that what is unusual about the frequencies of one spectrum is stated."""
    statements = point_statements(np.array(frequency))
    assert len(statements) == len(expected)
    for statement, part in zip(statements, expected, strict=True):
        assert any(one in statement for one in part.split("|"))
