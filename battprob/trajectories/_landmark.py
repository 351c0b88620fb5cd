r"""Life of a cell from its record so far, by landmarking.

All cells are compared at the cycle c where this cell's record ends (the landmark); cells
whose life ended before c are left out. Log life is a Gaussian process of features that
are observable by then: the capacity lost in each fifth of the record, on a scale that is
linear for small losses and logarithmic for large ones,

    log L = f(g_1, ..., g_5) + e,    g_k = asinh((Q((k-1) c / 5) - Q(k c / 5)) / δ).

The method makes no assumption about the shape of the record. Where the features do not
predict life, the prediction is the distribution of the lives of the other cells. The
kernel of f is linear, squared-exponential or a sum of both; kernels are weighted by their
evidence, and one of them is zero (features without information).

The distribution of the residual e is a kernel density estimate of the leave-one-out
residuals of the other cells, with larger weights for cells with similar features. The
epistemic uncertainty has three sources: f, the noise variance, and the weights of the
residuals (Bayesian bootstrap).

Where fewer than ten cells (or a quarter of the population) lived longer than c, the time
axis of the other cells is stretched until enough of them did: curves of different cells
are similar on the axis of their own lives.

References:
    van Houwelingen, Scand. J. Stat. 34 (2007) 70, doi:10.1111/j.1467-9469.2006.00529.x
    (landmarks); Rasmussen and Williams, Gaussian Processes for Machine Learning (2006),
    eq. 2.25 (prediction) and 5.12 (leave-one-out residuals); Rubin, Annals of Statistics
    9 (1981) 130, doi:10.1214/aos/1176345338 (Bayesian bootstrap); Silverman, Density
    Estimation (1986), eq. 3.31 (bandwidth).
"""

from typing import NamedTuple

import numpy as np

from battprob._typing import Numeric

_FRACTIONS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])  # of the record
_WINDOW = 0.2  # readings in the last fifth before a cycle give its capacity
_LOSS_SCALE = 3e-3  # δ
_FEATURE_NOISE = 0.05  # smallest standard deviation of a feature over cells
_ALIVE = 1.05  # a cell is compared if its life exceeds the landmark by 5 %
_ENOUGH = 10  # cells; a quarter of the population if that is more
_PRIOR_ZERO = 0.25  # prior probability of the zero kernel
_SIMILARITY, _FLOOR = 1.0, 0.2  # length scale and least value of residual weights
_LEAST_PROBABILITY = 1e-300  # avoids log 0 where all mixture components lie below

# Variance of the linear and of the smooth part over the noise variance; length scale.
_KERNELS = [
    (linear, smooth, length)
    for linear in (0.0, 0.03, 0.3, 3.0, 30.0)
    for smooth, length in (
        (0.0, 1.0),
        (0.3, 0.7),
        (3.0, 0.7),
        (0.3, 1.5),
        (3.0, 1.5),
        (30.0, 1.5),
    )
]


class Landmarks(NamedTuple):
    """Records and lives of the cells that a new cell is compared with.

    Attributes:
        cycle, fraction: medians of the records [n t], padded by infinite cycles.
        last_cycle: last cycle of each record [n].
        log_life: draws of the log lives [s n]; equal where the life is known.
    """

    cycle: Numeric
    fraction: Numeric
    last_cycle: Numeric
    log_life: Numeric


class Mixture(NamedTuple):
    """Predictive distribution of log life of one cell: one mixture for each draw.

    Attributes:
        location, weight: of the components [s n].
        std: standard deviation of all components of a draw [s].
    """

    location: np.ndarray
    std: np.ndarray
    weight: np.ndarray


def loss_features(cycle: np.ndarray, fraction: np.ndarray, until: float) -> np.ndarray:
    """Features g_1, ..., g_5: losses in each fifth of the record up to `until`."""
    # The first median may lie after the landmark of a short record: keep at least one.
    size = max(1, np.searchsorted(cycle, until, side="right"))
    cycle, fraction = cycle[:size], fraction[:size]
    values = [_capacity_at(cycle, fraction, end) for end in _FRACTIONS * until]
    return np.arcsinh(-np.diff(values, prepend=1.0) / _LOSS_SCALE)


def _capacity_at(cycle, fraction, end):
    """Median capacity in a window that ends at a cycle; interpolated if it is empty."""
    first, last = np.searchsorted(cycle, [(1 - _WINDOW) * end, end], side="right")
    if last - first < 3:
        return np.interp(end, cycle, fraction)
    return np.median(fraction[first:last])


def sample_log_lives(
    landmarks: Landmarks,
    cycle: np.ndarray,
    fraction: np.ndarray,
    until: float,
    rng: np.random.Generator,
    *,
    num: int,
) -> np.ndarray:
    """Draw log lives of a cell that is alive at the cycle `until`.

    Args:
        landmarks: the cells to compare with.
        cycle, fraction: the record of this cell.
        until: the landmark.
        rng: source of all draws.
        num: draws for each draw of the other cells' lives.

    Returns:
        Draws [s num], all above log `until`.
    """
    log_life = np.asarray(landmarks.log_life)
    last_cycle = np.asarray(landmarks.last_cycle)
    stretch = max(1.0, until / _latest_landmark(log_life, last_cycle))
    landmark = until / stretch
    alive = np.median(log_life, 0) > np.log(_ALIVE * landmark)
    alive &= last_cycle >= landmark
    records = zip(landmarks.cycle[alive], landmarks.fraction[alive], strict=True)
    others = np.array(
        [loss_features(np.asarray(n), np.asarray(q), landmark) for n, q in records]
    )
    new = loss_features(cycle, fraction, until)
    mixture = predict_log_life(log_life[:, alive] + np.log(stretch), others, new, rng)
    return _sample_above(mixture, np.log(until), rng, num)


def _latest_landmark(log_life, last_cycle):
    """The last cycle at which enough cells are observed and alive."""
    # 1.001: the cell that defines the landmark must itself pass the test `alive`.
    ends = np.minimum(np.exp(np.median(log_life, 0)) / (1.001 * _ALIVE), last_cycle)
    enough = min(len(ends), max(_ENOUGH, len(ends) // 4))
    return np.sort(ends)[-enough]


def predict_log_life(
    log_life: np.ndarray,
    others: np.ndarray,
    new: np.ndarray,
    rng: np.random.Generator,
) -> Mixture:
    """Predictive distribution of the log life of a new cell.

    With K = kernel / σ² + I for the n other cells, y their centred log lives and k the
    kernel between them and the new cell over σ², each draw has

        kernel ~ p(kernel) |K|^(-1/2) b^(-n/2),    b = (var y + yᵀK⁻¹y) / 2,
        σ² = 2 b / χ²_n,
        f ~ N(mean + kᵀK⁻¹y, σ² (k** - kᵀK⁻¹k + 1/n)),
        e_i = σ / (2 b / n)^(1/2) (K⁻¹y)_i / (K⁻¹)_ii^(1/2),
        bandwidth = 0.9 n^(-1/5) σ.

    Args:
        log_life: draws of the other cells' log lives [s n].
        others: their features [n d].
        new: features of the new cell [d].
        rng: source of all draws.
    """
    num, cells = log_life.shape
    mean = log_life.mean(1, keepdims=True)
    y = log_life - mean
    covariance, distance = _covariances(others, new)
    precision = np.linalg.inv(covariance[:, :cells, :cells] + np.eye(cells))
    alpha = precision @ y.T  # [kernels cells draws]
    b = 0.5 * y.var(1) + 0.5 * np.sum(y.T * alpha, 1)
    index = _sample_kernel(precision, b, cells, rng.uniform(size=num))
    draws = np.arange(num)
    b, alpha, precision = b[index, draws], alpha[index, :, draws], precision[index]
    cross = covariance[index, cells, :cells]
    explained = np.einsum("si,sij,sj->s", cross, precision, cross)
    prior = covariance[index, cells, cells]
    function_variance = np.maximum(prior - explained, 0) + 1 / cells
    variance = 2 * b / rng.chisquare(cells, num)
    f = mean[:, 0] + np.sum(cross * alpha, 1)
    f = f + np.sqrt(variance * function_variance) * rng.standard_normal(num)
    residual = alpha / np.sqrt(np.diagonal(precision, axis1=1, axis2=2))
    residual = residual * np.sqrt(variance * cells / (2 * b))[:, None]
    similarity = np.exp(-0.5 * distance[cells, :cells] / _SIMILARITY**2)
    weight = rng.exponential(size=(num, cells)) * (_FLOOR + similarity)
    bandwidth = 0.9 * cells**-0.2 * np.sqrt(variance)
    weight = weight / weight.sum(1, keepdims=True)
    return Mixture(f[:, None] + residual, bandwidth, weight)


def _covariances(others, new):
    """Covariance of each kernel over σ², and squared distances; the new cell is last."""
    unit = np.sqrt(others.var(0) + _FEATURE_NOISE**2)
    z = (np.concatenate([others, new[None]]) - others.mean(0)) / unit
    linear = z @ z.T / z.shape[1]
    distance = ((z[:, None] - z[None]) ** 2).mean(-1)
    each = [a * linear + b * np.exp(-0.5 * distance / c**2) for a, b, c in _KERNELS]
    return np.stack(each), distance


def _sample_kernel(precision, b, cells, uniform):
    """Index of a kernel for each draw, by its posterior probability."""
    evidence = 0.5 * np.linalg.slogdet(precision)[1][:, None]
    evidence = evidence - 0.5 * cells * np.log(b) + _log_prior()[:, None]
    probability = np.exp(evidence - evidence.max(0))
    cumulative = np.cumsum(probability / probability.sum(0), 0)
    # Rounding may leave the last sum below 1 and below `uniform`.
    return np.minimum((cumulative < uniform).sum(0), len(cumulative) - 1)


def _log_prior():
    zero = np.array([linear + smooth == 0 for linear, smooth, _ in _KERNELS])
    return np.log(np.where(zero, _PRIOR_ZERO, (1 - _PRIOR_ZERO) / (len(zero) - 1)))


def _sample_above(mixture, least, rng, num):
    """`num` draws from each mixture truncated to values above `least`.

    Components are drawn by stratified sampling of their truncated weights, values by
    inversion of the upper tail, which keeps its digits where `least` is far above.
    """
    from scipy.special import ndtr, ndtri

    location, std = (
        mixture.location,
        np.broadcast_to(mixture.std[:, None], mixture.location.shape),
    )
    above = ndtr((location - least) / std)
    weight = mixture.weight * above + _LEAST_PROBABILITY
    cumulative = np.cumsum(weight / weight.sum(1, keepdims=True), 1)
    points = (np.arange(num) + rng.uniform(size=(len(location), 1))) / num
    component = np.array(
        [np.searchsorted(c, p) for c, p in zip(cumulative, points, strict=True)]
    ).clip(max=location.shape[1] - 1)
    rows = np.arange(len(location))[:, None]
    tail = rng.uniform(size=component.shape) * above[rows, component]
    tail = np.maximum(tail, _LEAST_PROBABILITY)
    drawn = location[rows, component] - std[rows, component] * ndtri(tail)
    return np.maximum(drawn, least + 1e-4)
