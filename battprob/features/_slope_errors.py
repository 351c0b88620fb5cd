"""Derivative of noisy curves over a grid, and its error as noise plus smoothing bias.

The error of a smoother has two parts: noise that passes through, and bias, which is
detail removed together with the noise. With P the posterior covariance under the prior
process, the noise part is the derivative of P with respect to the logarithm of the
noise variance:

    F = ∂P / ∂ log r = K (K + R)⁻¹ R (K + R)⁻¹ K,

and P - F is the covariance of the bias that the prior process expects.

On scales that the data do not resolve, a real curve may be smoother or rougher than the
process. Its squared bias is then b times the expected one, and the covariance of the
error is F + b (P - F). The factor b is estimated by smoothing the mean curve a second
time: it loses about what the curve lost at the first smoothing. For a local smoother
with frequency response S(ω) = 1 / (1 + ω⁸) and a process with spectrum ω⁻⁸, the mean
square of the loss of slope is 33/384 F + 65/384 b (P - F), and F is 5/8 of P. For a
curve smoother than the process this overestimates b, which is conservative. In a gap of
the data F is a small part of P; there b = 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Bool, Float
from battprob.state_space import MaternProcess

_CANDIDATE_ROUGHNESS = 10.0 ** np.arange(-3, 8)
_NUM_UPDATES = 4
# Mean squared loss of slope at the second smoothing, per unit of F and of b (P - F).
_NOISE_LOSS, _BIAS_LOSS = 33 / 384, 65 / 384
_LOCAL_NOISE_FRACTION = 5 / 8  # F / P of the slope for a local smoother


class GridData(NamedTuple):
    """Averaged measurements of curves at grid points, minus the chord of each curve."""

    value: Float[Array, "*c n"]
    noise_variance: Float[Array, "*c n"]
    present: Bool[Array, "*c n"]


class Smoothing(NamedTuple):
    """Prior roughness at each grid point, and ratio of squared bias to expected."""

    roughness: Float[Array, " n"]
    bias_ratio: Float[Array, ""]


def fit_smoothing(
    grid: Float[Array, " n"], data: GridData, chord: Float[Array, " c"]
) -> Smoothing:
    """Roughness by maximum likelihood, and bias ratio, common to all curves."""
    roughness = _fit_roughness(grid, data, chord)
    return Smoothing(roughness, _bias_ratio(grid, data, chord, roughness))


def slope_errors(
    grid: Float[Array, " n"],
    data: GridData,
    chord: Float[Array, ""],
    smoothing: Smoothing,
) -> tuple[Float[Array, " n"], ...]:
    """Mean slope of one curve and the covariance of its error.

    Returns:
        Mean; variance of the error; covariance of the error and its derivative;
        variance of the derivative of the error.
    """
    path, noise = _split(_process(grid, chord, smoothing.roughness), grid, data)
    total = path.covariance
    # 1 for local smoothing; close to 0 in a gap, where the prior determines the error.
    locality = jnp.minimum(noise[1][1] / (_LOCAL_NOISE_FRACTION * total[1][1]), 1.0)
    ratio = 1 - (1 - smoothing.bias_ratio) * locality

    def covariance(i, j):
        return noise[i][j] + ratio * (total[i][j] - noise[i][j])

    return path.mean[1] + chord, covariance(1, 1), covariance(1, 2), covariance(2, 2)


def _process(grid, chord, roughness):
    """Prior process, whose length-scale exceeds the width of peaks.

    A long length-scale leaves the shape of peaks to `roughness`, the intensity of the
    driving noise.
    """
    length = 0.25 * (grid[-1] - grid[0])
    # The variance of the slope of a Matérn-7/2 process is 7/5 variance / length².
    variance = chord**2 * (5 / 7) * length**2
    return MaternProcess(variance, length, derivatives=3, intensity=roughness)


def _split(process, grid, data):
    """Smoothed path, and the part of its covariance that is due to noise."""

    def smooth(noise_factor):
        noise_variance = noise_factor * data.noise_variance
        return process.smooth(grid, data.value, noise_variance, data.present)

    # d/d(factor) at factor 1 is the derivative with respect to log noise variance.
    one = jnp.ones((), grid.dtype)
    path, derivative = jax.jvp(smooth, (one,), (one,))
    return path, derivative.covariance


def _bias_ratio(grid, data, chord, roughness):
    def loss_of_one(data, chord):
        process = _process(grid, chord, roughness)
        path, noise = _split(process, grid, data)
        again = process.smooth(grid, path.mean[0], *data[1:])
        total = path.covariance[1][1]
        return (path.mean[1] - again.mean[1]) ** 2 / total, noise[1][1] / total

    loss, noise_fraction = (a.mean() for a in jax.vmap(loss_of_one)(data, chord))
    ratio = (loss - _NOISE_LOSS * noise_fraction) / (_BIAS_LOSS * (1 - noise_fraction))
    return jnp.maximum(ratio, 0.0)


def _fit_roughness(grid, data, chord):
    """Roughness over the grid that maximises the marginal likelihood.

    A constant is chosen from a grid of candidates and then refined locally. The
    gradient of the log likelihood with respect to the log roughness is half of energy
    minus degrees of freedom; the fixed-point update multiplies the roughness by their
    ratio. Both are summed over a section around each grid point that extends over one
    degree of freedom to either side, so it is short where the data resolve much detail.
    Adding one to both keeps the update from fitting the noise.
    """
    # The best candidate has no derivative, so none is computed of the likelihood.
    constants = jax.lax.stop_gradient((grid, chord, data))

    def log_evidence(roughness):
        grid, chord, data = constants

        def of_one(chord, *data):
            return _process(grid, chord, roughness).log_evidence(grid, *data)

        return jax.vmap(of_one)(chord, *data).sum()

    def update(roughness, _):
        def of_one(chord, *data):
            return _process(grid, chord, roughness).disturbances(grid, *data)

        noise = jax.vmap(of_one)(chord, *data)
        ratio = _energy_ratio(noise.energy.mean(0), noise.degrees_of_freedom.mean(0))
        return roughness * ratio, None

    candidates = jnp.asarray(_CANDIDATE_ROUGHNESS, grid.dtype)
    best = candidates[jnp.argmax(jax.vmap(log_evidence)(candidates))]
    start = jnp.full(grid.shape, best)
    return jax.lax.scan(update, start, None, length=_NUM_UPDATES)[0]


def _energy_ratio(energy, freedom):
    """Energy over degrees of freedom, summed over a section around each point."""
    total_freedom, total_energy = jnp.cumsum(freedom), jnp.cumsum(energy)
    ends = jnp.stack(
        [
            jnp.maximum(total_freedom - 1, total_freedom[0]),
            jnp.minimum(total_freedom + 1, total_freedom[-1]),
        ]
    )
    before, after = jnp.interp(ends, total_freedom, total_energy)
    return (after - before + 1) / (ends[1] - ends[0] + 1)
