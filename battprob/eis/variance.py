r"""Noise models: the variance of a measured impedance as a function of frequency.

Every model has the form $\sigma^2(f) = s^2\, h(f)$ with

    h = (Σ_k w_k t_k(μ, f))^power,    w = softmax(0, η)

where the terms t_k are not negative. The variance scale s² is integrated out in closed
form, and the logits η of the weights by quadrature over a box. The box reaches from
"only the first term matters" to "only the others matter" for the spectrum at hand; the
prior of η is uniform in it. The terms are computed from the fitted spectrum μ and never
from single noisy measurements.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float

_MARGIN = 5.0  # a term that is e^-5 of another one is negligible


class AbstractVariance(eqx.Module):
    """Model of the variance σ² of Re and Im over frequency.

    To write your own:

    1. Subclass `AbstractVariance`; numbers that a user sets are array fields
       (`Float[Array, ""]`), so that changing them needs no new compilation.
    2. Define `terms(mean, frequency_hz)`: the terms t_k, in JAX operations. `mean` is
       the fitted impedance in ohm, `frequency_hz` the frequencies in Hz, ascending. The
       terms have the unit ohm² if they add up to the variance and ohm if they add up to
       the standard deviation. Their overall scale does not matter, because s² is
       fitted. There may be one to four terms.
    3. Define `power()`: 1 if the terms add up to the variance, 2 if to the standard
       deviation.
    4. Define `prior_degrees_of_freedom()`: 0 if s² is unknown (the usual case);
       otherwise the degrees of freedom of the prior knowledge that s² = 1.
    5. Use it as `Circuit(..., noise=Own())`. For files saved with it, decorate the
       class with `@battprob.register`.
    """

    @abstractmethod
    def terms(
        self, mean: Complex[Array, " f"], frequency_hz: Float[Array, " f"]
    ) -> Float[Array, "k *parts f"]:
        """The terms t_k: [k f], or [k 2 f] if those of Re and Im differ."""

    @abstractmethod
    def power(self) -> int:
        """1 if the terms add up to the variance, 2 if to the standard deviation."""

    @abstractmethod
    def prior_degrees_of_freedom(self) -> Float[Array, ""]:
        """Degrees of freedom of the prior knowledge that s² = 1; 0 for none."""


def relative_variance(
    noise: AbstractVariance,
    logits: Float[Array, " q"],
    mean: Complex[Array, " f"],
    frequency_hz: Float[Array, " f"],
) -> Float[Array, "2 f"]:
    """The function h(f) of Re and of Im for the logits η of the weights."""
    first = jnp.zeros(1, logits.dtype)
    weight = jax.nn.softmax(jnp.concatenate([first, logits]))
    total = jnp.tensordot(weight, noise.terms(mean, frequency_hz), axes=1)
    return jnp.broadcast_to(total ** noise.power(), (2, mean.size))


def logit_bounds(
    noise: AbstractVariance,
    impedance: Complex[Array, " f"],
    frequency_hz: Float[Array, " f"],
) -> tuple[Float[Array, " q"], Float[Array, " q"]]:
    """Lower and upper bounds of the logits η for this spectrum."""
    terms = noise.terms(impedance, frequency_hz)
    terms = terms.reshape(len(terms), -1)
    # A term may vanish at single frequencies; its logarithm must stay finite.
    terms = jnp.maximum(terms, 1e-3 * terms.mean(1, keepdims=True))
    balance = jnp.log(terms[:1]) - jnp.log(terms[1:])
    return balance.min(1) - _MARGIN, balance.max(1) + _MARGIN


class TwoComponent(AbstractVariance):
    """σ² = a² + b²|μ|²: a constant error and one proportional to the impedance.

    It covers additive noise, proportional noise, and both together.
    """

    def terms(self, mean, frequency_hz):
        square = _square(mean)
        return jnp.stack([jnp.ones_like(square), square])

    def power(self):
        return 1

    def prior_degrees_of_freedom(self):
        return jnp.zeros(())


class ThreeComponent(AbstractVariance):
    """σ² = a² + b²|μ|² + g²|μ|⁴; g describes current noise in potentiostatic mode."""

    def terms(self, mean, frequency_hz):
        square = _square(mean)
        return jnp.stack([jnp.ones_like(square), square, square**2])

    def power(self):
        return 1

    def prior_degrees_of_freedom(self):
        return jnp.zeros(())


class MagnitudePhase(AbstractVariance):
    """a²|μ|² along μ and b²|μ|² across it; b is the sd of the phase in rad.

    To be used with `likelihood=Polar()`.
    """

    def terms(self, mean, frequency_hz):
        square = _square(mean)
        zero = jnp.zeros_like(square)
        return jnp.stack([jnp.stack([square, zero]), jnp.stack([zero, square])])

    def power(self):
        return 1

    def prior_degrees_of_freedom(self):
        return jnp.zeros(())


class AgarwalOrazem(AbstractVariance):
    """σ = δ + α|Z_j| + β|Z_r - R_s| + γ|Z|²/R_m, fitted to repeats on real instruments.

    Args:
        series_ohm: R_s, the series resistance, in ohm.
        measuring_ohm: R_m, the current-measuring resistor, in ohm.

    References:
        Agarwal, Crisalle, Orazem and Garcia-Rubio, J. Electrochem. Soc. 142 (1995)
        4149.
    """

    series_ohm: Float[Array, ""]
    measuring_ohm: Float[Array, ""]

    def __init__(self, series_ohm: ArrayLike, measuring_ohm: ArrayLike):
        self.series_ohm = jnp.asarray(series_ohm, jnp.result_type(float))
        self.measuring_ohm = jnp.asarray(measuring_ohm, jnp.result_type(float))

    def terms(self, mean, frequency_hz):
        real = jnp.abs(mean.real - self.series_ohm)
        current = _square(mean) / self.measuring_ohm
        return jnp.stack([jnp.ones_like(real), jnp.abs(mean.imag), real, current])

    def power(self):
        return 2

    def prior_degrees_of_freedom(self):
        return jnp.zeros(())


class KnownVariance(AbstractVariance):
    """σ² known from repeats or from the instrument, interpolated on log-log axes.

    Args:
        frequency_hz: frequencies in Hz at which the variance is known, ascending [m].
        variance: σ² of each of Re and Im in ohm², shape [m], or [2 m] if the two
            differ.
        degrees_of_freedom: of the estimate of the variance scale: 0 if only the
            dependence on frequency is known, very large if the variance is exact;
            `replicate_variance` estimates it.

    Raises:
        DataError: shapes that do not agree, or frequencies that do not ascend.
    """

    frequency_hz: Float[Array, " m"]
    variance: Float[Array, "*parts m"]
    degrees_of_freedom: Float[Array, ""]

    def __init__(
        self,
        frequency_hz: ArrayLike,
        variance: ArrayLike,
        degrees_of_freedom: ArrayLike = 1e6,
    ):
        real = jnp.result_type(float)
        self.frequency_hz = jnp.asarray(frequency_hz, real)
        self.variance = jnp.asarray(variance, real)
        self.degrees_of_freedom = jnp.asarray(degrees_of_freedom, real)
        if self.variance.shape[-1:] != self.frequency_hz.shape:
            raise DataError(
                "KnownVariance needs one variance for each frequency; got shapes "
                f"{self.frequency_hz.shape} and {self.variance.shape}"
            )
        if not jnp.all(jnp.diff(self.frequency_hz) > 0):
            raise DataError("KnownVariance needs ascending frequencies: sort them")

    def terms(self, mean, frequency_hz):
        log_known, log_new = jnp.log(self.frequency_hz), jnp.log(frequency_hz)
        parts = jnp.log(self.variance).reshape(-1, log_known.size)
        log_variance = jax.vmap(lambda part: jnp.interp(log_new, log_known, part))(
            parts
        )
        return jnp.exp(log_variance)[None]

    def power(self):
        return 1

    def prior_degrees_of_freedom(self):
        return self.degrees_of_freedom


def _square(z):
    return z.real**2 + z.imag**2
