"""Matérn processes along one axis, smoothed in O(n) by a Kalman filter and back again.

The state holds the value and its derivatives, so the derivative of a noisy sequence comes
with its variance. In units of the rate λ = √(2ν) / length every matrix depends on the step
u = λ Δt alone: with F the companion matrix of (1 + s)^d, d = ν + ½,

    A(u) = exp(F u),    Q(u) = q ∫₀ᵘ h(t) h(t)ᵀ dt,    h(t) = exp(F t) e_d,

and q makes the stationary variance 1. In the loops a matrix is a nest of lists, for speed.
"""

from functools import reduce
from math import comb, factorial, gamma
from operator import add

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._nested import Symmetric, apply, dot, rows, sandwich, symmetric
from battprob._typing import Array, ArrayLike, Bool, Float

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


class Smoothed(eqx.Module):
    """What is known of a sequence after all its readings.

    Args:
        mean: of the value and of each derivative, at the locations.
        covariance: of the i-th with the j-th derivative at one location, `[i][j]`.
        log_evidence: log density of the readings under the process and their noise.
    """

    mean: list[Float[Array, " n"]]
    covariance: Symmetric
    log_evidence: Float[Array, ""]


class Drive(eqx.Module):
    r"""What the readings ask of the noise that drives a process, step by step.

    $$\frac{\partial \log p(y)}{\partial \log \text{intensity}_i}
    = \tfrac12 (\text{energy}_i - \text{freedom}_i)$$

    Args:
        energy: how far the noise has to go over the step before each location, squared
            and in units of its variance.
        freedom: the same as expected: the degrees of freedom spent on that step.
    """

    energy: Float[Array, " n"]
    freedom: Float[Array, " n"]


class MaternProcess(eqx.Module):
    r"""A Gaussian process of mean 0 whose paths have some derivatives.

    $$k(\tau) = s^2 e^{-\lambda \tau} p_\nu(\lambda \tau),\quad \lambda = \sqrt{2 \nu} / \ell$$

    with $p_{1/2} = 1$, $p_{3/2} = 1 + x$, $p_{5/2} = 1 + x + x^2 / 3$ and so on, where
    white noise of one intensity drives it. Another intensity makes paths rougher there,
    or smoother.

    Args:
        variance: s², in units of the sequence squared.
        length: ℓ, in units of the location.
        derivatives: how many the paths have, ν - 1/2: 0, 1, 2, 3, …
        intensity: of the driving noise over the step before each location, 1 for the
            stationary process; one number, or [n].

    Example:
        >>> location = jnp.linspace(0.0, 6.0, 61)
        >>> process = MaternProcess(1.0, 2.0, derivatives=2)
        >>> readings = jnp.sin(location)
        >>> path = process.smooth(location, readings, jnp.full(61, 1e-4))
        >>> f"{path.mean[1][30]:.2f}"  # the derivative at 3
        '-0.99'

    References:
        Hartikainen and Särkkä, Kalman filtering and smoothing solutions to temporal
        Gaussian process regression models, MLSP (2010), doi:10.1109/MLSP.2010.5589113.
        de Jong, Smoothing and interpolation with the state-space model, JASA 84, 1085
        (1989), doi:10.1080/01621459.1989.10478873: the way back, free of inverses.
    """

    variance: Float[Array, ""]
    length: Float[Array, ""]
    intensity: Float[Array, "*n"]
    derivatives: int = eqx.field(static=True)

    def __init__(
        self,
        variance: ArrayLike,
        length: ArrayLike,
        *,
        derivatives: int = 2,
        intensity: ArrayLike = 1.0,
    ):
        dtype = jnp.result_type(float)
        self.variance = jnp.asarray(variance, dtype)
        self.length = jnp.asarray(length, dtype)
        self.intensity = jnp.asarray(intensity, dtype)
        self.derivatives = derivatives

    @eqx.filter_jit
    def smooth(
        self,
        location: Float[Array, " n"],
        y: Float[Array, " n"],
        noise_variance: Float[Array, " n"],
        observed: Bool[Array, " n"] | None = None,
    ) -> Smoothed:
        """Posterior of the path and its derivatives given noisy readings.

        Args:
            location: never falling; equal locations are readings of one value.
            y: the readings.
            noise_variance: variance of each reading's error.
            observed: False where there is no reading, only a wish to know; default all
                True. What `y` and `noise_variance` hold there is ignored.
        """
        filtered, log_evidence = self._filter(location, y, noise_variance, observed)
        start, transition = self._way_back(location)
        _, (mean, covariance) = jax.lax.scan(
            _step_back, start, (transition, *filtered), reverse=True
        )
        rate = [self._rate() ** k for k in range(self.derivatives + 1)]
        return Smoothed(
            mean=[r * m for r, m in zip(rate, mean, strict=True)],
            covariance=symmetric(
                lambda i, j: rate[i] * rate[j] * covariance[i][j], len(rate)
            ),
            log_evidence=log_evidence,
        )

    @eqx.filter_jit
    def log_evidence(
        self,
        location: Float[Array, " n"],
        y: Float[Array, " n"],
        noise_variance: Float[Array, " n"],
        observed: Bool[Array, " n"] | None = None,
    ) -> Float[Array, ""]:
        """Log density of the readings; arguments as `smooth`, at half its cost."""
        return self._filter(location, y, noise_variance, observed)[1]

    @eqx.filter_jit
    def drive(
        self,
        location: Float[Array, " n"],
        y: Float[Array, " n"],
        noise_variance: Float[Array, " n"],
        observed: Bool[Array, " n"] | None = None,
    ) -> Drive:
        """Where the readings are rougher than the process expects; arguments as `smooth`."""
        (*_, gain, weighted_surprise, precision), _ = self._filter(
            location, y, noise_variance, observed
        )
        start, transition = self._way_back(location)
        growth = self._way_on(location)[1]
        inputs = (transition, growth, gain, weighted_surprise, precision)
        _, (energy, freedom) = jax.lax.scan(_drive_back, start, inputs, reverse=True)
        return Drive(energy, freedom)

    def _rate(self):
        return jnp.sqrt(2.0 * self.derivatives + 1.0) / self.length

    def _filter(self, location, y, noise_variance, observed):
        d = self.derivatives + 1
        seen = jnp.ones(y.shape, bool) if observed is None else observed
        y = jnp.where(seen, y, 0.0)
        noise_variance = jnp.where(seen, noise_variance, 1.0)
        transition, growth = self._way_on(location)
        first = jnp.ravel(self.intensity)[0] * self.variance
        stationary = first * jnp.asarray(_stationary(d), y.dtype)
        start = (
            [jnp.zeros_like(y[0])] * d,
            symmetric(lambda i, j: stationary[i, j], d),
        )
        inputs = (transition, growth, y, noise_variance, seen)
        _, (filtered, log_density) = jax.lax.scan(_step_forward, start, inputs)
        return filtered, log_density.sum()

    def _way_on(self, location):
        """Transition over the step before each location, and what the noise adds."""
        step = jnp.diff(location, prepend=location[:1])
        transition, growth = _transitions(self._rate() * step, self.derivatives + 1)
        intensity = jnp.broadcast_to(self.intensity, location.shape)
        return transition, (self.variance * intensity)[:, None, None] * growth

    def _way_back(self, location):
        """Nothing known from later readings, and the transition after each location."""
        d = self.derivatives + 1
        zero = jnp.zeros_like(location[0])
        step = jnp.append(jnp.diff(location), 0.0)
        transition, _ = _transitions(self._rate() * step, d)
        return ([zero] * d, symmetric(lambda *_: zero, d)), transition


def _step_forward(state, inputs):
    """Carry mean and covariance over one interval, then take in the reading there."""
    transition, growth, y, noise_variance, seen = inputs
    mean, covariance = _predict(state, rows(transition), rows(growth))
    total = covariance[0][0] + noise_variance
    precision = jnp.where(seen, 1 / total, 0.0)
    kept = jnp.where(seen, noise_variance / total, 1.0)
    gain = [entry * precision for entry in covariance[0]]
    surprise = y - mean[0]
    mean = [m + g * surprise for m, g in zip(mean, gain, strict=True)]
    # The first row as a product, not a difference: exact however small the noise.
    updated = symmetric(
        lambda i, j: (
            kept * covariance[0][j]
            if i == 0
            else covariance[i][j] - gain[i] * covariance[0][j]
        ),
        len(mean),
    )
    log_density = -0.5 * (jnp.log(2 * jnp.pi * total) + surprise**2 / total)
    filtered = mean, updated, gain, precision * surprise, precision
    return (mean, updated), (filtered, jnp.where(seen, log_density, 0.0))


def _step_back(state, inputs):
    """Carry what later readings say back over one interval, and through this reading.

    `pull` and `bite` are r and N of de Jong: later readings move the filtered mean by
    P r and take P N P from its covariance.
    """
    transition, mean, covariance, *reading = inputs
    pull, bite = _carry_back(state, transition)
    smoothed = [m + p for m, p in zip(mean, apply(covariance, pull), strict=True)]
    taken = sandwich(covariance, bite)
    left = symmetric(lambda i, j: covariance[i][j] - taken[i][j], len(mean))
    return _through_reading((pull, bite), *reading), (smoothed, left)


def _drive_back(state, inputs):
    """As `_step_back`, for the noise that came in just before the reading."""
    transition, growth, *reading = inputs
    pull, bite = state = _through_reading(_carry_back(state, transition), *reading)
    growth = rows(growth)
    freedom = reduce(add, map(dot, growth, bite))
    return state, (dot(pull, apply(growth, pull)), freedom)


def _carry_back(state, transition):
    pull, bite = state
    back = list(zip(*rows(transition), strict=True))
    return apply(back, pull), sandwich(back, bite)


def _through_reading(state, gain, weighted_surprise, precision):
    pull, bite = state
    bite_gain = apply(bite, gain)
    corner = bite[0][0] + precision - 2 * bite_gain[0] + dot(gain, bite_gain)
    bite = symmetric(
        lambda i, j: bite[i][j] - (bite_gain[j] if i == 0 else 0.0) if j else corner,
        len(pull),
    )
    return [pull[0] + weighted_surprise - dot(gain, pull), *pull[1:]], bite


def _predict(state, transition, growth):
    mean, covariance = state
    carried = sandwich(transition, covariance)
    return apply(transition, mean), symmetric(
        lambda i, j: carried[i][j] + growth[i][j], len(mean)
    )


def _stationary(d):
    """Covariance of value and derivatives; odd moments of the spectrum vanish."""
    moment = [
        gamma(k + 0.5) * gamma(d - k - 0.5) / (gamma(0.5) * gamma(d - 0.5))
        for k in range(d)
    ]
    return [
        [
            0.0 if (i + j) % 2 else (-1) ** ((i - j) // 2) * moment[(i + j) // 2]
            for j in range(d)
        ]
        for i in range(d)
    ]


def _diffusion(d):
    """q = 1 / ∫ h_1(t)² dt over all t > 0, where h_1 = t^(d-1) exp(-t) / (d-1)!."""
    return 2 ** (2 * d - 1) * factorial(d - 1) ** 2 / factorial(2 * d - 2)


def _transitions(u, d):
    """A(u) and Q(u) for unit variance: two arrays [n d d]."""
    companion = np.diag(np.ones(d - 1), 1)
    companion[-1] = [-comb(d, k) for k in range(d)]
    nilpotent = companion + np.eye(d)
    powers = [
        jnp.asarray(np.linalg.matrix_power(nilpotent, k) / factorial(k), u.dtype)
        for k in range(d)
    ]
    series = sum(u[:, None, None] ** k * power[None] for k, power in enumerate(powers))
    transition = jnp.exp(-u)[:, None, None] * series
    stationary = jnp.asarray(_stationary(d), u.dtype)
    # P - A P Aᵀ cancels for short steps, where ten nodes integrate Q to rounding.
    short = jnp.minimum(u, 1.0)
    time = 0.5 * short[:, None] * (1 + _NODES.astype(u.dtype))[None]
    impulse = jnp.exp(-time)[..., None] * sum(
        time[..., None] ** k * power[:, -1][None, None]
        for k, power in enumerate(powers)
    )
    weight = 0.5 * _diffusion(d) * short[:, None] * _WEIGHTS.astype(u.dtype)[None]
    exact = jax.lax.Precision.HIGHEST
    near = jnp.einsum("nt,nti,ntj->nij", weight, impulse, impulse, precision=exact)
    across = jnp.einsum("nik,kl,njl->nij", *(transition, stationary, transition))
    far = stationary[None] - across
    return transition, jnp.where((u < 1.0)[:, None, None], near, far)
