"""Facts of sampling: noise, quantisation, aliasing, and readings that are not there.

Signals run along the last axis, at an even spacing in time.
"""

import warnings

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import AliasingWarning, DataError
from battprob._typing import Array, Bool, Float, Numeric

_ROBUST = 3.5  # standard deviations; larger differences are the signal's, not noise
_TOP = 0.8  # of half the sampling rate: above it a well sampled signal has no content
_MAD_TO_SD = 1.4826


def quantisation_variance(quantum: float) -> float:
    r"""Variance of rounding to a step, $\Delta^2 / 12$: the error is even over one step.

    True where the signal or its noise moves by more than a step between readings.

    Example:
        >>> f"{quantisation_variance(5 / 2**16) ** 0.5 * 1e6:.0f} µV"
        '22 µV'
    """
    return quantum**2 / 12


def difference_noise(x: Float[Numeric, "*b t"]) -> Float[Array, "*b"]:
    r"""Noise variance of a smooth signal, from its third differences.

    $$\hat\sigma^2 = \frac{1}{20} \overline{\min(|\Delta^3 x|, c)^2}$$

    Third differences of a smooth signal nearly vanish; those of white noise have 20 times
    its variance. c cuts jumps off at 3.5 standard deviations. Differences that a missing
    reading (NaN) has part in do not count.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 1000)
        >>> f"{difference_noise(np.linspace(0, 5, 1000) ** 2 + noise):.2f}"
        '0.01'
    """
    x = jnp.asarray(x, jnp.result_type(float))
    if x.shape[-1] < 4:
        raise DataError(f"noise needs at least four readings; got {x.shape[-1]}")
    third = jnp.diff(x, n=3, axis=-1)
    seen = ~jnp.isnan(third)
    size = jnp.abs(jnp.where(seen, third, 0.0))
    count = jnp.maximum(seen.sum(-1), 1).astype(x.dtype)
    limit = _ROBUST * np.sqrt(np.pi / 2) * size.sum(-1) / count
    return jnp.sum(jnp.minimum(size, limit[..., None]) ** 2, axis=-1) / (20 * count)


def nyquist_rate(
    x: Float[Numeric, " t"], spacing_s: float, noise_variance: float
) -> float:
    """Twice the highest frequency at which a signal stands out of its noise, Hz.

    Sampling above this rate loses nothing. The spectrum is taken with a Hann window after
    the line between the ends is removed, in bands of a fortieth of its length, and a band
    stands out where its mean is four times that of the noise.

    Args:
        x: readings.
        spacing_s: time between them, s.
        noise_variance: variance of white noise in them: `quantisation_variance`, or a
            measured one.

    Warns:
        AliasingWarning: the signal stands out in the top fifth of the band, so that
            content above half the sampling rate is likely, folded back to lower ones.

    Example:
        >>> import numpy as np
        >>> time = np.arange(4000) * 0.01
        >>> wave = np.sin(2 * np.pi * 5.0 * time)
        >>> 10 < nyquist_rate(wave, 0.01, 1e-6) < 14
        True
    """
    x = np.asarray(x, float)
    window = np.hanning(len(x))
    flat = x - np.linspace(x[0], x[-1], len(x))
    power = np.abs(np.fft.rfft(window * flat)) ** 2 / np.sum(window**2)
    bands = np.array_split(power, max(1, min(40, len(power) // 4)))
    loud = np.array([band.mean() > 4 * noise_variance for band in bands])
    if not loud.any():
        return 0.0
    top = (np.flatnonzero(loud)[-1] + 1) / len(bands)
    if top > _TOP:
        warnings.warn(
            f"the signal stands out of its noise up to {top:.0%} of half the sampling "
            f"rate ({0.5 / spacing_s:g} Hz): faster content is likely, and folded back. "
            "Sample faster, or filter before sampling",
            AliasingWarning,
            stacklevel=2,
        )
    return float(top / spacing_s)


def decimate(x: Float[Numeric, "*b t"], factor: int) -> Float[Array, "*b s"]:
    """Keep every `factor`-th reading after what the slower rate cannot carry is removed.

    A windowed sinc (Hamming, 20 readings a kept one) at 0.8 of the new half rate, without
    delay; the ends are continued by point reflection, so lines stay lines.

    Raises:
        DataError: the factor is below one, or the row shorter than the filter.

    Example:
        >>> import numpy as np
        >>> decimate(np.arange(100.0), 4)[1:4].round(6).tolist()
        [4.0, 8.0, 12.0]
    """
    x = jnp.asarray(x, jnp.result_type(float))
    half = 10 * factor
    if factor < 1 or x.shape[-1] <= half:
        raise DataError(
            f"decimate needs a factor of one or more and more than ten readings for each "
            f"kept one; got factor {factor} and {x.shape[-1]} readings"
        )
    if factor == 1:
        return x
    taps = np.sinc(0.8 / factor * np.arange(-half, half + 1)) * np.hamming(2 * half + 1)
    return _decimate(x, jnp.asarray(taps / taps.sum(), x.dtype), factor)


@eqx.filter_jit
def _decimate(x, taps, factor):
    half = taps.shape[0] // 2
    rows = x.reshape(-1, x.shape[-1])
    ahead = 2 * rows[:, :1] - rows[:, half:0:-1]
    after = 2 * rows[:, -1:] - rows[:, -2 : -half - 2 : -1]
    padded = jnp.concatenate([ahead, rows, after], axis=1)
    kept = -(-x.shape[-1] // factor)
    index = factor * np.arange(kept)[:, None] + np.arange(2 * half + 1)[None]
    return (padded[:, index] @ taps).reshape(*x.shape[:-1], kept)


def despike_signal(
    x: Float[Numeric, "*b t"], *, half: int = 3, threshold: float = 6.0
) -> tuple[Float[Array, "*b t"], Bool[Array, "*b t"]]:
    """Replace single wild readings by the median around them, and say which.

    A reading is wild if it is further from the median of the 2 `half` + 1 readings around
    it than `threshold` robust standard deviations (1.4826 median absolute deviation) of
    those distances over the row, and than as many usual steps. Ends see the readings there are.

    Returns:
        The repaired signal, and where it was repaired.

    Example:
        >>> import numpy as np
        >>> clean, repaired = despike_signal(np.sin(np.arange(50.0)) + 99 * (np.arange(50) == 7))
        >>> np.flatnonzero(repaired).tolist()
        [7]

    References:
        Hampel, The influence curve and its role in robust estimation, JASA 69, 383
        (1974), doi:10.1080/01621459.1974.10482962. The spread is that of the row here.
    """
    return _despike(jnp.asarray(x, jnp.result_type(float)), half, threshold)


@eqx.filter_jit
def _despike(x, half, threshold):
    pad = [(0, 0)] * (x.ndim - 1) + [(half, half)]
    padded = jnp.pad(x, pad, constant_values=jnp.nan)
    around = jnp.stack([padded[..., k : k + x.shape[-1]] for k in range(2 * half + 1)])
    median = jnp.nanmedian(around, axis=0)
    distance = jnp.abs(x - median)
    step = jnp.median(jnp.abs(jnp.diff(x)), axis=-1, keepdims=True)
    spread = _MAD_TO_SD * jnp.median(distance, axis=-1, keepdims=True)
    wild = distance > threshold * jnp.maximum(spread, step)
    return jnp.where(wild, median, x), wild
