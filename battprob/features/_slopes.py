"""Slope of noisy curves over a grid, and its error split by what causes it.

A smoother's error is noise that it let through and bias, detail that it took for noise. With
P the posterior covariance under the process, its derivative by the logarithm of the noise
variance is the noise's part, exactly:

    F = ∂P / ∂ log r = K (K + R)⁻¹ R (K + R)⁻¹ K,        P - F: the bias that the process expects.

At the scale that it cannot resolve a curve may be smoother than its process, or rougher:
its bias is b times the expected, and F + b (P - F) the honest covariance. b is measured: a
mean curve smoothed once more loses about what the curve lost at first. Where smoothing is
local, with S(ω) = 1 / (1 + ω⁸) and a process whose spectrum is ω⁻⁸, the slope lost has the
mean square 33/384 F + 65/384 b (P - F), and F is 5/8 of P. Of a smoother curve this
overstates b, to the safe side. In a gap without readings F is little of P: b is 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Bool, Float
from battprob.state_space import MaternProcess

_LEVELS = 10.0 ** np.arange(-3, 8)
_UPDATES = 4
_NOISE_LOST, _BIAS_LOST = 33 / 384, 65 / 384  # of the slope, by smoothing once more
_LOCAL_SHARE = 5 / 8  # of the noise in the slope's variance


class Readings(NamedTuple):
    """Readings of curves at the nodes of a grid, less their chords."""

    value: Float[Array, "*c n"]
    noise_variance: Float[Array, "*c n"]
    present: Bool[Array, "*c n"]


class Smoothing(NamedTuple):
    """How rough curves are at each node, and their bias over what this lets expect."""

    roughness: Float[Array, " n"]
    bias_share: Float[Array, ""]


def choose_smoothing(
    grid: Float[Array, " n"], readings: Readings, chord: Float[Array, " c"]
) -> Smoothing:
    """Roughness by evidence and share of bias, both common to the curves."""
    roughness = _choose_roughness(grid, readings, chord)
    return Smoothing(roughness, _bias_share(grid, readings, chord, roughness))


def slope_errors(
    grid: Float[Array, " n"],
    readings: Readings,
    chord: Float[Array, ""],
    smoothing: Smoothing,
) -> tuple[Float[Array, " n"], ...]:
    """One curve: mean slope; variance of its error, covariance with the error's slope, and
    variance of that.
    """
    path, noise = _split(_process(grid, chord, smoothing.roughness), grid, readings)
    whole = path.covariance
    local = jnp.minimum(noise[1][1] / (_LOCAL_SHARE * whole[1][1]), 1.0)
    share = 1 - (1 - smoothing.bias_share) * local

    def honest(i, j):
        return noise[i][j] + share * (whole[i][j] - noise[i][j])

    return path.mean[1] + chord, honest(1, 1), honest(1, 2), honest(2, 2)


def _process(grid, chord, roughness):
    """A curve longer than its peaks: it bends as far as noise drives it to."""
    length = 0.25 * (grid[-1] - grid[0])
    variance = chord**2 * (5 / 7) * length**2  # the slope's is 7/5 variance / length²
    return MaternProcess(variance, length, derivatives=3, intensity=roughness)


def _split(process, grid, readings):
    """The smoothed path, and how much of its covariance is noise let through."""

    def smooth(times):
        noise_variance = times * readings.noise_variance
        return process.smooth(grid, readings.value, noise_variance, readings.present)

    once = jnp.ones((), grid.dtype)
    path, by_noise = jax.jvp(smooth, (once,), (once,))
    return path, by_noise.covariance


def _bias_share(grid, readings, chord, roughness):
    def one(readings, chord):
        process = _process(grid, chord, roughness)
        path, noise = _split(process, grid, readings)
        again = process.smooth(grid, path.mean[0], *readings[1:])
        whole = path.covariance[1][1]
        return (path.mean[1] - again.mean[1]) ** 2 / whole, noise[1][1] / whole

    lost, share = (a.mean() for a in jax.vmap(one)(readings, chord))
    bias = (lost - _NOISE_LOST * share) / (_BIAS_LOST * (1 - share))
    return jnp.maximum(bias, 0.0)


def _choose_roughness(grid, readings, chord):
    """How rough the curves are over the grid: one level by evidence, then place by place.

    The evidence rises most by multiplying the roughness of a stretch with its energy over
    its freedom. A stretch reaches one degree of freedom either way, so that it is short
    where the readings resolve much; one more keeps it from chasing the noise.
    """

    def evidence(level):
        def one(chord, *readings):
            return _process(grid, chord, level).log_evidence(grid, *readings)

        return jax.vmap(one)(chord, *readings).sum()

    def update(roughness, _):
        def one(chord, *readings):
            return _process(grid, chord, roughness).drive(grid, *readings)

        drive = jax.vmap(one)(chord, *readings)
        return roughness * _excess(drive.energy.mean(0), drive.freedom.mean(0)), None

    levels = jnp.asarray(_LEVELS, grid.dtype)
    level = levels[jnp.argmax(jax.vmap(evidence)(levels))]
    start = jnp.full(grid.shape, level)
    return jax.lax.scan(update, start, None, length=_UPDATES)[0]


def _excess(energy, freedom):
    """Energy over freedom, both summed over a degree of freedom before and after."""
    spent, used = jnp.cumsum(freedom), jnp.cumsum(energy)
    ends = jnp.stack(
        [jnp.maximum(spent - 1, spent[0]), jnp.minimum(spent + 1, spent[-1])]
    )
    before, after = jnp.interp(ends, spent, used)
    return (after - before + 1) / (ends[1] - ends[0] + 1)
