"""Noise, quantisation, aliasing and outliers of sampled signals.

Signals are equally spaced in time, along the last axis.
"""

import warnings

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import AliasingWarning, DataError
from battprob._typing import Array, Bool, Float, Numeric

_CLIP = 3.5  # standard deviations; larger differences are steps of the signal
_MAX_BAND = 0.8  # of the Nyquist frequency; a well-sampled signal has no content above
_MAD_TO_SD = 1.4826  # median absolute deviation to standard deviation of a Gaussian


def quantisation_variance(quantum: float) -> float:
    r"""Variance of rounding to multiples of a step, $\Delta^2 / 12$.

    The formula assumes an error that is uniform over one step. This holds if the
    signal, or its noise, changes by more than a step between samples.

    Example:
        >>> f"{quantisation_variance(5 / 2**16) ** 0.5 * 1e6:.0f} µV"
        '22 µV'
    """
    return quantum**2 / 12


def difference_noise(x: Float[Numeric, "*b t"]) -> Float[Array, "*b"]:
    r"""Noise variance of a smooth signal, from its third differences.

    $$\hat\sigma^2 = \frac{1}{20} \overline{\min(|\Delta^3 x|, c)^2}$$

    Third differences of a smooth signal are almost zero; those of white noise have 20
    times its variance. They are clipped at c, which is 3.5 standard deviations, so that
    steps of the signal have little effect. Differences with a missing sample (NaN) are
    ignored.

    Raises:
        DataError: there are fewer than four samples.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 1000)
        >>> f"{difference_noise(np.linspace(0, 5, 1000) ** 2 + noise):.2f}"
        '0.01'
    """
    x = jnp.asarray(x, jnp.result_type(float))
    if x.shape[-1] < 4:
        raise DataError(
            f"difference_noise needs at least four samples; got {x.shape[-1]}"
        )
    third = jnp.diff(x, n=3, axis=-1)
    observed = ~jnp.isnan(third)
    size = jnp.abs(jnp.where(observed, third, 0.0))
    count = jnp.maximum(observed.sum(-1), 1).astype(x.dtype)
    # The standard deviation of a Gaussian is √(π/2) times its mean absolute deviation.
    limit = _CLIP * np.sqrt(np.pi / 2) * size.sum(-1) / count
    return jnp.sum(jnp.minimum(size, limit[..., None]) ** 2, axis=-1) / (20 * count)


def nyquist_rate(
    x: Float[Numeric, " t"], spacing_s: float, noise_variance: float
) -> float:
    """Nyquist rate in Hz: twice the highest frequency with signal above the noise.

    Sampling above this rate loses no information. The line between the end points is
    subtracted, and the power spectrum is computed with a Hann window and averaged in 40
    bands. A band contains signal if its mean power exceeds four times that of the
    noise.

    Args:
        x: samples.
        spacing_s: time between samples in s.
        noise_variance: variance of the white noise of the samples, for example
            `quantisation_variance` or `difference_noise`.

    Warns:
        AliasingWarning: there is signal above 80 % of the Nyquist frequency (half the
            sampling rate), so aliasing of higher frequencies is likely.

    Example:
        >>> import numpy as np
        >>> time = np.arange(4000) * 0.01
        >>> wave = np.sin(2 * np.pi * 5.0 * time)
        >>> 10 < nyquist_rate(wave, 0.01, 1e-6) < 14
        True
    """
    x = np.asarray(x, float)
    window = np.hanning(len(x))
    detrended = x - np.linspace(x[0], x[-1], len(x))
    power = np.abs(np.fft.rfft(window * detrended)) ** 2 / np.sum(window**2)
    bands = np.array_split(power, max(1, min(40, len(power) // 4)))
    has_signal = np.array([band.mean() > 4 * noise_variance for band in bands])
    if not has_signal.any():
        return 0.0
    highest = (np.flatnonzero(has_signal)[-1] + 1) / len(bands)
    if highest > _MAX_BAND:
        warnings.warn(
            f"the signal exceeds its noise up to {highest:.0%} of the Nyquist "
            f"frequency ({0.5 / spacing_s:g} Hz), so aliasing of higher frequencies is "
            "likely: sample faster, or filter before sampling",
            AliasingWarning,
            stacklevel=2,
        )
    return float(highest / spacing_s)


def decimate(x: Float[Numeric, "*b t"], factor: int) -> Float[Array, "*b s"]:
    """Keep every `factor`-th sample after an anti-aliasing filter.

    The filter is a windowed sinc (Hamming, 20 `factor` + 1 taps) without delay; its
    cut-off is 0.8 of the new Nyquist frequency. The signal is extended by point
    reflection at its ends, so straight lines are preserved.

    Raises:
        DataError: the factor is less than one, or the row is shorter than the filter.

    Example:
        >>> import numpy as np
        >>> decimate(np.arange(100.0), 4)[1:4].round(6).tolist()
        [4.0, 8.0, 12.0]
    """
    x = jnp.asarray(x, jnp.result_type(float))
    half = 10 * factor
    if factor < 1 or x.shape[-1] <= half:
        raise DataError(
            "decimate needs a factor of at least one and more than 10 * factor "
            f"samples; got factor {factor} and {x.shape[-1]} samples"
        )
    if factor == 1:
        return x
    # 0.8 leaves room for the transition band of the window below the Nyquist frequency.
    taps = np.sinc(0.8 / factor * np.arange(-half, half + 1)) * np.hamming(2 * half + 1)
    return _decimate(x, jnp.asarray(taps / taps.sum(), x.dtype), factor)


@eqx.filter_jit
def _decimate(x, taps, factor):
    half = taps.shape[0] // 2
    rows = x.reshape(-1, x.shape[-1])
    before = 2 * rows[:, :1] - rows[:, half:0:-1]
    after = 2 * rows[:, -1:] - rows[:, -2 : -half - 2 : -1]
    padded = jnp.concatenate([before, rows, after], axis=1)
    num_kept = -(-x.shape[-1] // factor)
    # Only the kept samples are filtered.
    index = factor * np.arange(num_kept)[:, None] + np.arange(2 * half + 1)[None]
    return (padded[:, index] @ taps).reshape(*x.shape[:-1], num_kept)


def despike_signal(
    x: Float[Numeric, "*b t"], *, half: int = 3, threshold: float = 6.0
) -> tuple[Float[Array, "*b t"], Bool[Array, "*b t"]]:
    """Replace single outliers by the median of their neighbourhood (Hampel filter).

    A sample is an outlier if its distance to the median of the 2 `half` + 1 samples
    around it exceeds both `threshold` robust standard deviations (1.4826 times the
    median) of these distances over the row, and `threshold` times the median step
    between samples. At the ends the neighbourhood is shorter.

    Args:
        x: samples.
        half: number of samples on each side of the neighbourhood.
        threshold: number of robust standard deviations.

    Returns:
        The repaired signal, and a mask of the replaced samples.

    Example:
        >>> import numpy as np
        >>> signal = np.sin(np.arange(50.0))
        >>> signal[7] += 99
        >>> clean, repaired = despike_signal(signal)
        >>> np.flatnonzero(repaired).tolist()
        [7]

    References:
        Hampel, The influence curve and its role in robust estimation, JASA 69, 383
        (1974), doi:10.1080/01621459.1974.10482962. Here the scale is common to a row.
    """
    return _despike(jnp.asarray(x, jnp.result_type(float)), half, threshold)


@eqx.filter_jit
def _despike(x, half, threshold):
    pad = [(0, 0)] * (x.ndim - 1) + [(half, half)]
    # `nanmedian` ignores the padding, which makes the windows at the ends shorter.
    padded = jnp.pad(x, pad, constant_values=jnp.nan)
    windows = [padded[..., k : k + x.shape[-1]] for k in range(2 * half + 1)]
    median = jnp.nanmedian(jnp.stack(windows), axis=0)
    distance = jnp.abs(x - median)
    step = jnp.median(jnp.abs(jnp.diff(x)), axis=-1, keepdims=True)
    sd = _MAD_TO_SD * jnp.median(distance, axis=-1, keepdims=True)
    # The median step is the scale of a smooth signal, whose distances are almost zero.
    outlier = distance > threshold * jnp.maximum(sd, step)
    return jnp.where(outlier, median, x), outlier
