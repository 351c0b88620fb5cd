r"""The life of a cell from its record so far: what the others' lives were after the like.

All cells are cut at the cycle c where this one's record ends (the landmark), those that
had their life before left out, and log life is a Gaussian process of what can be seen by
then: capacity lost in each fifth of the record, on a scale that is linear for small losses
and logarithmic for large ones,

    log L = f(g_1, ..., g_5) + e,    g_k = asinh((Q((k-1) c / 5) - Q(k c / 5)) / δ).

Nothing is assumed of how the record comes to be, and so nothing about it can be wrong: a
record that tells nothing of life leaves the spread of lives as it is. Kernels are linear,
smooth or both, averaged by their evidence, one of them flat. The residual e of a cell is
one of those that the others have when they are left out, those of cells that were alike
rather, and what lies about it; their level, weights (Bayesian bootstrap) and f are what
more cells would settle.

Where hardly any cell lived as long as c, cells are slowed until enough of them do: fades
are alike on the axis of their lives.

References:
    van Houwelingen, Scand. J. Stat. 34 (2007) 70, doi:10.1111/j.1467-9469.2006.00529.x
    (landmarks); Rasmussen and Williams, Gaussian Processes for Machine Learning (2006),
    eq. 2.25 and 5.12 (left-out residuals); Rubin, Annals of Statistics 9 (1981) 130,
    doi:10.1214/aos/1176345338 (bootstrap).
"""

from typing import NamedTuple

import numpy as np

from battprob.trajectories._records import Numbers

_PLACES = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
_WINDOW = 0.2  # of the place itself: readings before it that count
_LOSS = 3e-3  # δ
_NOISE = 0.05  # least sd of a feature over cells, for its unit
_ALIVE = 1.05  # a life counts as still to come from here on
_ENOUGH = 10  # cells, or a quarter of them
_FLAT = 0.25  # prior probability that records tell nothing
_NEAR, _FAR = 1.0, 0.2  # width within which residuals count, and weight of all others
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
    """What a life is judged by.

    Attributes:
        cycle, fraction: medians of the other cells' records [n t], padded at the end by
            infinite cycles.
        last: their last cycles [n].
        log_life: draws of their log lives [s n].
    """

    cycle: Numbers
    fraction: Numbers
    last: Numbers
    log_life: Numbers


def features(cycle: np.ndarray, fraction: np.ndarray, until: float) -> np.ndarray:
    """Losses in each fifth of a record, of which nothing after `until` is looked at."""
    # Medians may begin later than a short record ends: the first is the start.
    size = max(1, np.searchsorted(cycle, until, side="right"))
    cycle, fraction = cycle[:size], fraction[:size]
    ends = _PLACES * until
    values = [_level(cycle, fraction, end) for end in ends]
    return np.arcsinh(-np.diff(values, prepend=1.0) / _LOSS)


def _level(cycle, fraction, end):
    first, last = np.searchsorted(cycle, [(1 - _WINDOW) * end, end], side="right")
    if last - first < 3:
        return np.interp(end, cycle, fraction)
    return np.median(fraction[first:last])


def lives(
    landmarks: Landmarks,
    cycle: np.ndarray,
    fraction: np.ndarray,
    until: float,
    rng: np.random.Generator,
    *,
    num: int,
) -> np.ndarray:
    """`num` log lives of a cell that was seen to live `until` then, for each draw."""
    y, last = np.asarray(landmarks.log_life), np.asarray(landmarks.last)
    slower = max(1.0, until / _latest(y, last))
    cut = until / slower
    alive = (last >= cut) & (np.median(y, 0) > np.log(_ALIVE * cut))
    others = zip(landmarks.cycle[alive], landmarks.fraction[alive], strict=True)
    seen = np.array([features(np.asarray(n), np.asarray(q), cut) for n, q in others])
    own = features(cycle, fraction, until)
    centre, sd, weight = _residuals(y[:, alive] + np.log(slower), seen, own, rng)
    return _truncated(centre, sd, weight, np.log(until), rng, num)


def _latest(log_life, last):
    """The last cycle at which there are enough cells to compare with."""
    ends = np.minimum(np.exp(np.median(log_life, 0)) / (1.001 * _ALIVE), last)
    enough = min(len(ends), max(_ENOUGH, len(ends) // 4))
    return np.sort(ends)[-enough]


def _residuals(y, seen, own, rng):
    """Of each draw a mixture: middle of each part, its sd, and its weight."""
    num, cells = y.shape
    mean = y.mean(1, keepdims=True)
    away = y - mean
    covariances, apart = _covariances(seen, own)
    inverse = np.linalg.inv(covariances[:, :cells, :cells] + np.eye(cells))
    pulled = inverse @ away.T  # kernels, cells, draws
    square = 0.5 * away.var(1) + 0.5 * np.sum(away.T * pulled, 1)
    evidence = 0.5 * np.linalg.slogdet(inverse)[1][:, None]
    evidence = evidence - 0.5 * cells * np.log(square) + _log_prior()[:, None]
    share = np.exp(evidence - evidence.max(0))
    share = np.cumsum(share / share.sum(0), 0)
    which = np.minimum((share < rng.uniform(size=num)).sum(0), len(share) - 1)
    draws = np.arange(num)
    across = covariances[which, cells, :cells]
    alpha, own_inverse = pulled[which, :, draws], inverse[which]
    known = np.einsum("si,sij,sj->s", across, own_inverse, across)
    doubt = np.maximum(covariances[which, cells, cells] - known, 0) + 1 / cells
    variance = 2 * square[which, draws] / rng.chisquare(cells, num)
    middle = mean[:, 0] + np.sum(across * alpha, 1)
    middle = middle + np.sqrt(variance * doubt) * rng.standard_normal(num)
    left_out = alpha / np.sqrt(np.diagonal(own_inverse, axis1=1, axis2=2))
    left_out = (
        left_out * np.sqrt(variance * cells / (2 * square[which, draws]))[:, None]
    )
    alike = _FAR + np.exp(-0.5 * apart[cells, :cells] / _NEAR**2)
    weight = rng.exponential(size=(num, cells)) * alike
    sd = 0.9 * cells**-0.2 * np.sqrt(variance)  # Silverman's rule
    return middle[:, None] + left_out, sd, weight / weight.sum(1, keepdims=True)


def _covariances(seen, own):
    """Of the cells and, last, of this one, for each kernel, in units of the noise."""
    unit = np.sqrt(seen.var(0) + _NOISE**2)
    z = (np.concatenate([seen, own[None]]) - seen.mean(0)) / unit
    linear = z @ z.T / z.shape[1]
    apart = ((z[:, None] - z[None]) ** 2).mean(-1)
    each = [a * linear + b * np.exp(-0.5 * apart / c**2) for a, b, c in _KERNELS]
    return np.stack(each), apart


def _log_prior():
    flat = np.array([a + b == 0 for a, b, _ in _KERNELS])
    return np.log(np.where(flat, _FLAT, (1 - _FLAT) / (len(flat) - 1)))


def _truncated(centre, sd, weight, least, rng, num):
    """Draws above `least`: the cell has lived until then."""
    from scipy.special import ndtr, ndtri

    sd = np.broadcast_to(sd[:, None], centre.shape)
    above = ndtr((centre - least) / sd)
    share = weight * above + 1e-300
    share = np.cumsum(share / share.sum(1, keepdims=True), 1)
    points = (np.arange(num) + rng.uniform(size=(len(centre), 1))) / num
    part = np.array(
        [np.searchsorted(s, p) for s, p in zip(share, points, strict=True)]
    ).clip(max=centre.shape[1] - 1)
    rows = np.arange(len(centre))[:, None]
    upper = rng.uniform(size=part.shape) * above[rows, part]
    drawn = centre[rows, part] - sd[rows, part] * ndtri(np.maximum(upper, 1e-300))
    return np.maximum(drawn, least + 1e-4)
