"""Do two sets of rows come from one population? Tests that hold their error rate."""

from typing import Literal, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._random import generator
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.evaluate.metrics import pit
from battprob.evaluate.uniformity import Uniformity
from battprob.predictive import Predictive

_LEAST = 4


class TwoSample(NamedTuple):
    """How far two samples lie apart, and how often chance alone would do that."""

    statistic: float
    p_value: float


def two_sample_test(
    reference: ArrayLike,
    new: ArrayLike,
    kind: Literal["energy", "mmd"] = "energy",
    *,
    key: PRNGKey,
    num_permutations: int = 999,
) -> TwoSample:
    r"""Distance between two samples of rows, judged by exchanging rows between them.

    $2 E|X - Y| - E|X - X'| - E|Y - Y'|$ of features standardised together ("energy"), or
    the squared maximum mean discrepancy of the kernel $e^{-d^2/2m^2}$, m the median
    distance ("mmd"). If both samples are of one population, the p-value is below α with
    probability α at most, whatever the population.

    Args:
        reference, new: rows [n d] and [m d]; rows must be independent (one a cell).
        kind: which distance.
        key: PRNG key of the permutations.
        num_permutations: the least p-value is one over one more.

    Raises:
        DataError: columns differ, a value is not finite, or a sample has under four rows.

    Example:
        >>> import jax
        >>> rows = np.arange(20.0)[:, None]
        >>> two_sample_test(rows[::2], rows[1::2], key=jax.random.key(0)).p_value > 0.5
        True
        >>> two_sample_test(rows, rows + 30, key=jax.random.key(0)).p_value
        0.001

    References:
        Székely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249,
        doi:10.1016/j.jspi.2013.03.018; Gretton et al., J. Mach. Learn. Res. 13 (2012) 723.
    """
    rows, num = pooled(reference, new)
    square = np.sum((rows[:, None] - rows[None]) ** 2, axis=-1)
    if kind == "energy":
        likeness = -np.sqrt(square)
    elif kind == "mmd":
        middle = np.median(square[np.triu_indices(len(rows), 1)])
        likeness = np.exp(-0.5 * square / (middle if middle > 0 else 1.0))
    else:
        raise DataError(f'kind must be "energy" or "mmd"; got {kind!r}')
    first = np.arange(len(rows)) < num
    draw = generator(key)
    masks = np.stack(
        [first, *(draw.permutation(first) for _ in range(num_permutations))]
    )
    distance = _distance(likeness, masks)
    return TwoSample(float(distance[0]), float(np.mean(distance >= _less(distance[0]))))


def classifier_test(reference: ArrayLike, new: ArrayLike, *, key: PRNGKey) -> TwoSample:
    """How well a classifier tells new rows from old ones that it has not seen.

    A logistic regression on the features, their squares and products learns from half of
    both samples; the statistic is the area under its ROC curve on the other half (0.5 is
    chance), the p-value that of Mann and Whitney: exact, as those rows had no part in it.

    Args:
        reference, new: rows [n d] and [m d]; rows must be independent (one a cell).
        key: PRNG key of the halves.

    Raises:
        DataError: see `two_sample_test`.

    Example:
        >>> import jax
        >>> rows = np.arange(20.0)[:, None]
        >>> classifier_test(rows, rows + 30, key=jax.random.key(0)).statistic
        1.0

    References:
        Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR (2017),
        arXiv:1610.06545; here with ranks in place of accuracy.
    """
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    rows, num = pooled(reference, new)
    is_new = np.arange(len(rows)) >= num
    draw = generator(key)
    learn = np.zeros(len(rows), bool)
    for sample in (np.flatnonzero(~is_new), np.flatnonzero(is_new)):
        learn[draw.permutation(sample)[: len(sample) // 2]] = True
    classifier = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    classifier.fit(rows[learn], is_new[learn])
    said = classifier.decision_function(rows[~learn])
    judged = is_new[~learn]
    test = mannwhitneyu(said[judged], said[~judged], alternative="greater")
    pairs = judged.sum() * (~judged).sum()
    return TwoSample(float(test.statistic / pairs), float(test.pvalue))


def pit_test(
    pred: Predictive, y: ArrayLike, *, key: PRNGKey, num_draws: int = 9999
) -> Uniformity:
    """Whether a few labelled new cells contradict the predictive distribution.

    Neyman's smooth statistic of the PIT (see `pit_uniformity`), against its own law for as
    many uniform numbers, drawn: exact for any number of cells from one up. It tells bias
    from wrong spread, but not why: cells of one batch share what is not known of it.

    Args:
        pred: predictions of the cells.
        y: their targets.
        key: PRNG key of the draws.
        num_draws: the least p-value is one over one more.

    Raises:
        DataError: `y` cannot be scored (see `absolute_error`).

    Example:
        >>> import jax
        >>> pred = Predictive.gaussian(np.zeros(5), 1.0)
        >>> pit_test(pred, np.full(5, 3.0), key=jax.random.key(0)).p_value < 0.01
        True
    """
    u = np.asarray(pit(pred, y)).ravel()
    uniform = generator(key).random((num_draws, len(u)))
    moments = _legendre(np.concatenate([u[None], uniform])).mean(-1)
    statistic = np.sum(moments**2, axis=0)
    p_value = np.mean(statistic >= _less(statistic[0]))
    bias, dispersion = moments[:, 0]
    return Uniformity(float(bias), float(dispersion), float(p_value))


def pooled(
    reference: ArrayLike, new: ArrayLike
) -> tuple[Float[np.ndarray, "n d"], int]:
    """Rows of both samples, standardised together, and how many are of the first.

    Raises:
        DataError: columns differ, a value is not finite, or a sample has under four rows.
    """
    samples = [np.asarray(rows, float) for rows in (reference, new)]
    samples = [rows[:, None] if rows.ndim == 1 else rows for rows in samples]
    first, second = samples
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise DataError(
            "both samples must be [rows, features] with the same features; got "
            f"{first.shape} and {second.shape}"
        )
    if min(len(first), len(second)) < _LEAST:
        raise DataError(
            f"{_LEAST} rows of each sample are needed; got {len(first)} and {len(second)}"
        )
    rows = np.concatenate(samples)
    if not np.all(np.isfinite(rows)):
        raise DataError(f"row {np.argwhere(~np.isfinite(rows))[0, 0]} is not finite")
    spread = rows.std(0)
    return (rows - rows.mean(0)) / np.where(spread > 0, spread, 1.0), len(first)


def _distance(likeness, masks):
    """Squared distance of the means of both samples, for every way to part the rows."""
    share = masks / masks.sum(1, keepdims=True)
    share = share - ~masks / (~masks).sum(1, keepdims=True)
    return np.sum((share @ likeness) * share, axis=1)


def _less(value):
    """A little less than a value, so that rounding decides no tie."""
    return value - 1e-12 * abs(value)


def _legendre(u):
    return np.stack([np.sqrt(3) * (2 * u - 1), np.sqrt(5) * (6 * u**2 - 6 * u + 1)])
