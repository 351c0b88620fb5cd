"""Matérn processes along one axis, smoothed in O(n) by a Kalman filter and smoother.

The state consists of the value and its derivatives, so the derivative of a noisy sequence
comes with its variance. In units of the rate λ = √(2ν) / length every matrix depends on
the step u = λ Δt alone: with F the companion matrix of (1 + s)^d, d = ν + ½,

    A(u) = exp(F u),    Q(u) = q ∫₀ᵘ h(t) h(t)ᵀ dt,    h(t) = exp(F t) e_d,

and q makes the stationary variance 1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, ArrayLike, Bool, Float, PRNGKey
from battprob.state_space import _parallel, _sequential
from battprob.state_space._nested import Symmetric, symmetric
from battprob.state_space._sequential import Observations
from battprob.state_space._transitions import roots, stationary, transitions


class Smoothed(eqx.Module):
    """Posterior of a path and its derivatives, given all observations.

    Args:
        mean: of the value and of each derivative, at the locations.
        covariance: between the i-th and the j-th derivative at one location, `[i][j]`.
        log_evidence: log density of the observations.
    """

    mean: list[Float[Array, " n"]]
    covariance: Symmetric
    log_evidence: Float[Array, ""]


class Disturbances(eqx.Module):
    r"""Statistics of the white noise that drives a process, step by step.

    $$\frac{\partial \log p(y)}{\partial \log \text{intensity}_i}
    = \tfrac12 (\text{energy}_i - \text{degrees\_of\_freedom}_i)$$

    Args:
        energy: squared estimate of the noise over the step before each location, in units
            of its variance.
        degrees_of_freedom: expected value of the energy under the model.
    """

    energy: Float[Array, " n"]
    degrees_of_freedom: Float[Array, " n"]


class MaternProcess(eqx.Module):
    r"""Gaussian process with zero mean and a Matérn covariance, along one axis.

    $$k(\tau) = s^2 e^{-\lambda \tau} p_\nu(\lambda \tau),\quad \lambda = \sqrt{2 \nu} / \ell$$

    with $p_{1/2} = 1$, $p_{3/2} = 1 + x$, $p_{5/2} = 1 + x + x^2 / 3$ and so on. It is
    driven by white noise of constant intensity; an intensity that varies makes the paths
    rougher at some locations and smoother at others.

    Args:
        variance: s², in units of the sequence squared.
        length: ℓ, in units of the location.
        derivatives: number of derivatives of the paths, ν - 1/2: 0, 1, 2, 3, ...
        intensity: intensity of the driving noise over the step before each location, as a
            multiple of that of the stationary process; one number, or [n].
        parallel: filter and smooth in log n steps with several times the work: faster on
            a GPU, slower on a few cores. Results are equal except for rounding.

    Example:
        >>> location = jnp.linspace(0.0, 6.0, 61)
        >>> process = MaternProcess(1.0, 2.0, derivatives=2)
        >>> y = jnp.sin(location)
        >>> path = process.smooth(location, y, jnp.full(61, 1e-4))
        >>> f"{path.mean[1][30]:.2f}"  # the derivative at 3
        '-0.99'

    References:
        Hartikainen and Särkkä, Kalman filtering and smoothing solutions to temporal
        Gaussian process regression models, MLSP (2010), doi:10.1109/MLSP.2010.5589113.
        de Jong, Smoothing and interpolation with the state-space model, JASA 84, 1085
        (1989), doi:10.1080/01621459.1989.10478873: backward pass without inverses.
        Koopman, Disturbance smoother for state space models, Biometrika 80, 117 (1993),
        doi:10.1093/biomet/80.1.117.
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
        """Posterior of the path and its derivatives given noisy observations.

        Args:
            location: not decreasing; equal locations are repeated observations.
            y: observed values.
            noise_variance: variance of the error of each observation.
            observed: False at locations where only a prediction is wanted; default all
                True. There, `y` and `noise_variance` are ignored.
        """
        filtered, log_density = self._filter(location, y, noise_variance, observed)
        mean, covariance = self._algorithm().backward(
            self._step_after(location), filtered
        )
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
        """Log density of the observations; arguments as for `smooth`, half its cost."""
        return self._filter(location, y, noise_variance, observed)[1].sum()

    @eqx.filter_jit
    def disturbances(
        self,
        location: Float[Array, " n"],
        y: Float[Array, " n"],
        noise_variance: Float[Array, " n"],
        observed: Bool[Array, " n"] | None = None,
    ) -> Disturbances:
        """Where the data are rougher than the process; arguments as for `smooth`."""
        filtered, _ = self._filter(location, y, noise_variance, observed)
        process_noise = self._step_before(location)[1]
        return Disturbances(
            *_sequential.disturbances(
                self._step_after(location), process_noise, filtered
            )
        )

    @eqx.filter_jit
    def sample_prior(
        self, location: Float[Array, " n"], *, key: PRNGKey
    ) -> Float[Array, " n"]:
        """One path drawn from the prior."""
        transition, process_noise = self._step_before(location)
        root = roots(process_noise.at[0].set(self._stationary()))
        noise = jax.random.normal(key, (*location.shape, self.derivatives + 1))
        disturbance = jnp.einsum("nij,nj->ni", root, noise.astype(root.dtype))
        return self._algorithm().propagate(transition, disturbance)[:, 0]

    def _algorithm(self):
        return _parallel if self.parallel else _sequential

    def _rate(self):
        return jnp.sqrt(2.0 * self.derivatives + 1.0) / self.length

    def _stationary(self):
        variance = jnp.ravel(self.intensity)[0] * self.variance
        unit = jnp.asarray(stationary(self.derivatives + 1), self.variance.dtype)
        return variance * unit

    def _filter(self, location, y, noise_variance, observed):
        if observed is None:
            observed = jnp.ones(y.shape, bool)
        observations = Observations(
            jnp.where(observed, y, 0.0),
            jnp.where(observed, noise_variance, 1.0),
            observed,
        )
        steps = self._step_before(location)
        return self._algorithm().forward(self._stationary(), *steps, observations)

    def _step_before(self, location):
        """Transition and process noise of the step before each location."""
        step = jnp.diff(location, prepend=location[:1])
        transition, process_noise = transitions(
            self._rate() * step, self.derivatives + 1
        )
        intensity = jnp.broadcast_to(self.intensity, location.shape)
        return transition, (self.variance * intensity)[:, None, None] * process_noise

    def _step_after(self, location):
        """Transition of the step after each location."""
        step = jnp.append(jnp.diff(location), 0.0)
        return transitions(self._rate() * step, self.derivatives + 1)[0]
