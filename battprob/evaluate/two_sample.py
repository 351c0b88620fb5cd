"""Two-sample tests with exact false-positive rates, and a PIT test for few cells."""

from typing import Literal, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._random import generator
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.evaluate.metrics import pit
from battprob.evaluate.uniformity import Uniformity, legendre_polynomials
from battprob.predictive import Predictive

_MIN_ROWS = 4


class TwoSample(NamedTuple):
    """Statistic of a two-sample test, and its p-value."""

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
    r"""Permutation test of the distance between two samples.

    The distance is the energy distance $2 E|X - Y| - E|X - X'| - E|Y - Y'|$ of jointly
    standardised features, or the squared maximum mean discrepancy ("mmd") with the kernel
    $e^{-d^2/2m^2}$, where m is the median distance. If both samples have the same
    distribution, the p-value is at most α with probability at most α.

    Args:
        reference, new: rows [n d] and [m d]; rows must be independent (one per cell).
        kind: "energy" or "mmd".
        key: PRNG key of the permutations.
        num_permutations: number of permutations; the smallest possible p-value is
            1 / (num_permutations + 1).

    Raises:
        DataError: the numbers of columns differ, a value is not finite, or a sample has
            fewer than four rows.

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
        similarity = -np.sqrt(square)
    elif kind == "mmd":
        median = np.median(square[np.triu_indices(len(rows), 1)])
        similarity = np.exp(-0.5 * square / (median if median > 0 else 1.0))
    else:
        raise DataError(f'kind must be "energy" or "mmd"; got {kind!r}')
    is_first = np.arange(len(rows)) < num
    rng = generator(key)
    masks = np.stack(
        [is_first, *(rng.permutation(is_first) for _ in range(num_permutations))]
    )
    distance = _distance(similarity, masks)
    at_least = distance >= _rounded_down(distance[0])
    return TwoSample(float(distance[0]), float(np.mean(at_least)))


def classifier_test(reference: ArrayLike, new: ArrayLike, *, key: PRNGKey) -> TwoSample:
    """Classifier two-sample test: area under the ROC curve of new against reference rows.

    A logistic regression on the features, their squares and products is trained on half of
    both samples. The statistic is the area under its ROC curve on the other half (0.5 if
    the samples have the same distribution). The p-value is that of the Mann-Whitney test,
    which is valid because those rows were not used for training.

    Args:
        reference, new: rows [n d] and [m d]; rows must be independent (one per cell).
        key: PRNG key of the division into halves.

    Raises:
        DataError: see `two_sample_test`.

    Example:
        >>> import jax
        >>> rows = np.arange(20.0)[:, None]
        >>> classifier_test(rows, rows + 30, key=jax.random.key(0)).statistic
        1.0

    References:
        Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR (2017),
        arXiv:1610.06545; here with the ROC area instead of the accuracy.
    """
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    rows, num = pooled(reference, new)
    is_new = np.arange(len(rows)) >= num
    rng = generator(key)
    train = np.zeros(len(rows), bool)
    for sample in (np.flatnonzero(~is_new), np.flatnonzero(is_new)):
        train[rng.permutation(sample)[: len(sample) // 2]] = True
    classifier = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    classifier.fit(rows[train], is_new[train])
    score, label = classifier.decision_function(rows[~train]), is_new[~train]
    test = mannwhitneyu(score[label], score[~label], alternative="greater")
    pairs = label.sum() * (~label).sum()
    return TwoSample(float(test.statistic / pairs), float(test.pvalue))


def pit_test(
    pred: Predictive, y: ArrayLike, *, key: PRNGKey, num_draws: int = 9999
) -> Uniformity:
    """Test whether the targets of a few new cells agree with their predictions.

    The statistic is that of Neyman's smooth test of the PIT (see `pit_uniformity`). It is
    compared with the statistic of as many simulated uniform numbers, so the test is exact
    for any number of cells, even one. It assumes independent cells: cells of one batch
    have correlated errors, which can make calibrated predictions appear biased.

    Args:
        pred: predictions of the cells.
        y: their targets.
        key: PRNG key of the simulation.
        num_draws: number of simulations; the smallest possible p-value is
            1 / (num_draws + 1).

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
    moments = legendre_polynomials(np.concatenate([u[None], uniform])).mean(-1)
    statistic = np.sum(moments**2, axis=0)
    p_value = np.mean(statistic >= _rounded_down(statistic[0]))
    bias, dispersion = moments[:, 0]
    return Uniformity(float(bias), float(dispersion), float(p_value))


def pooled(
    reference: ArrayLike, new: ArrayLike
) -> tuple[Float[np.ndarray, "n d"], int]:
    """Jointly standardised rows of both samples, and the number of rows of the first.

    Raises:
        DataError: the numbers of columns differ, a value is not finite, or a sample has
            fewer than four rows.
    """
    samples = [np.asarray(rows, float) for rows in (reference, new)]
    samples = [rows[:, None] if rows.ndim == 1 else rows for rows in samples]
    first, second = samples
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise DataError(
            "both samples must be [rows, features] with the same features; got "
            f"{first.shape} and {second.shape}"
        )
    if min(len(first), len(second)) < _MIN_ROWS:
        raise DataError(
            f"both samples must have {_MIN_ROWS} or more rows; got {len(first)} and "
            f"{len(second)}"
        )
    rows = np.concatenate(samples)
    if not np.all(np.isfinite(rows)):
        row, column = np.argwhere(~np.isfinite(rows))[0]
        sample = "reference" if row < len(first) else "new"
        raise DataError(
            f"row {row if row < len(first) else row - len(first)} of the {sample} sample "
            f"is not finite in column {column}; remove the row or fill in the value"
        )
    scale = rows.std(0)
    return (rows - rows.mean(0)) / np.where(scale > 0, scale, 1.0), len(first)


def _distance(similarity, masks):
    """Squared distance between the mean embeddings, for each assignment of the rows."""
    weight = masks / masks.sum(1, keepdims=True)
    weight = weight - ~masks / (~masks).sum(1, keepdims=True)
    return np.sum((weight @ similarity) * weight, axis=1)


def _rounded_down(value):
    """Slightly below a value, so that rounding does not break ties."""
    return value - 1e-12 * abs(value)
