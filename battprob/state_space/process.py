"""Matérn processes along one axis, smoothed in O(n) by a Kalman filter and back again.

The state holds the value and its derivatives, so the derivative of a noisy sequence comes
with its variance. In units of the rate λ = √(2ν) / length every matrix depends on the step
u = λ Δt alone: with F the companion matrix of (1 + s)^d, d = ν + ½,

    A(u) = exp(F u),    Q(u) = q ∫₀ᵘ h(t) h(t)ᵀ dt,    h(t) = exp(F t) e_d,

and q makes the stationary variance 1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, ArrayLike, Bool, Float, PRNGKey
from battprob.state_space import _parallel, _sequential
from battprob.state_space._nested import Symmetric, symmetric
from battprob.state_space._sequential import Readings
from battprob.state_space._transitions import roots, stationary, transitions


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
        parallel: filter and smooth in log n steps, with several times the work: faster
            on a GPU, slower on a few cores. The numbers are the same to rounding.

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
        Durbin and Koopman, A simple and efficient simulation smoother, Biometrika 89, 603
        (2002), doi:10.1093/biomet/89.3.603: joint draws.
    """

    variance: Float[Array, ""]
    length: Float[Array, ""]
    intensity: Float[Array, "*n"]
    derivatives: int = eqx.field(static=True)
    parallel: bool = eqx.field(static=True)

    def __init__(
        self,
        variance: ArrayLike,
        length: ArrayLike,
        *,
        derivatives: int = 2,
        intensity: ArrayLike = 1.0,
        parallel: bool = False,
    ):
        dtype = jnp.result_type(float)
        self.variance = jnp.asarray(variance, dtype)
        self.length = jnp.asarray(length, dtype)
        self.intensity = jnp.asarray(intensity, dtype)
        self.derivatives = derivatives
        self.parallel = parallel

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
        filtered, log_density = self._filter(location, y, noise_variance, observed)
        mean, covariance = self._route().backward(self._way_back(location), filtered)
        rate = [self._rate() ** k for k in range(self.derivatives + 1)]
        return Smoothed(
            mean=[r * m for r, m in zip(rate, mean, strict=True)],
            covariance=symmetric(
                lambda i, j: rate[i] * rate[j] * covariance[i][j], len(rate)
            ),
            log_evidence=log_density.sum(),
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
        return self._filter(location, y, noise_variance, observed)[1].sum()

    @eqx.filter_jit
    def drive(
        self,
        location: Float[Array, " n"],
        y: Float[Array, " n"],
        noise_variance: Float[Array, " n"],
        observed: Bool[Array, " n"] | None = None,
    ) -> Drive:
        """Where the readings are rougher than the process expects; arguments as `smooth`."""
        filtered, _ = self._filter(location, y, noise_variance, observed)
        growth = self._way_on(location)[1]
        return Drive(*_sequential.drive(self._way_back(location), growth, filtered))

    @eqx.filter_jit
    def sample_prior(
        self, location: Float[Array, " n"], *, key: PRNGKey
    ) -> Float[Array, " n"]:
        """The values of one path, before any reading."""
        transition, growth = self._way_on(location)
        root = roots(growth.at[0].set(self._stationary()))
        shock = jax.random.normal(key, (*location.shape, self.derivatives + 1))
        shock = jnp.einsum("nij,nj->ni", root, shock.astype(root.dtype))
        return self._route().accumulate(transition, shock)[:, 0]

    def _route(self):
        return _parallel if self.parallel else _sequential

    def _rate(self):
        return jnp.sqrt(2.0 * self.derivatives + 1.0) / self.length

    def _stationary(self):
        first = jnp.ravel(self.intensity)[0] * self.variance
        unit = jnp.asarray(stationary(self.derivatives + 1), self.variance.dtype)
        return first * unit

    def _filter(self, location, y, noise_variance, observed):
        seen = jnp.ones(y.shape, bool) if observed is None else observed
        readings = Readings(
            jnp.where(seen, y, 0.0), jnp.where(seen, noise_variance, 1.0), seen
        )
        way_on = self._way_on(location)
        return self._route().forward(self._stationary(), *way_on, readings)

    def _way_on(self, location):
        """Transition over the step before each location, and what the noise adds."""
        step = jnp.diff(location, prepend=location[:1])
        transition, growth = transitions(self._rate() * step, self.derivatives + 1)
        intensity = jnp.broadcast_to(self.intensity, location.shape)
        return transition, (self.variance * intensity)[:, None, None] * growth

    def _way_back(self, location):
        """Transition over the step after each location."""
        step = jnp.append(jnp.diff(location), 0.0)
        return transitions(self._rate() * step, self.derivatives + 1)[0]
