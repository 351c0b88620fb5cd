r"""How the variance of an impedance goes over frequency.

Every law here has the form $\sigma^2(f) = s^2\, h(f)$ with

    h = (Σ_k w_k t_k(μ, f))^power,    w = softmax(0, η)

over non-negative terms t_k. The level s² is integrated out in closed form and the
*shape* η by quadrature over a box that reaches from "the first term alone" to "the
others alone" for the spectrum at hand (its prior is uniform there). No weight is ever
computed from single noisy points: h is that of the fitted spectrum μ.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float

_MARGIN = 5.0  # a term below e^-5 of the other is as good as absent


class AbstractVariance(eqx.Module):
    """A law of σ² over frequency.

    To write your own: answer the terms, their number, their power, and the degrees of
    freedom with which the level is known (0: not at all).
    """

    @abstractmethod
    def terms(
        self, mean: Complex[Array, " f"], frequency_hz: Float[Array, " f"]
    ) -> Float[Array, "k *parts f"]:
        """The non-negative terms, in Ohm² if `power` is one and in Ohm if it is two.

        Shape [k f], or [k 2 f] where Re and Im differ.
        """

    @abstractmethod
    def num_terms(self) -> int:
        """How many terms there are."""

    @abstractmethod
    def power(self) -> int:
        """1 where the terms add up to the variance, 2 where to the standard deviation."""

    @abstractmethod
    def level_known(self) -> Float[Array, ""]:
        """Degrees of freedom of the knowledge that s² = 1."""


def relative_variance(
    law: AbstractVariance,
    shape: Float[Array, " q"],
    mean: Complex[Array, " f"],
    frequency_hz: Float[Array, " f"],
) -> Float[Array, "2 f"]:
    """h(f) of Re and of Im, for a shape η."""
    first = jnp.zeros(1, shape.dtype)
    weight = jax.nn.softmax(jnp.concatenate([first, shape]))
    total = jnp.tensordot(weight, law.terms(mean, frequency_hz), axes=1)
    return jnp.broadcast_to(total ** law.power(), (2, mean.size))


def shape_box(
    law: AbstractVariance,
    impedance: Complex[Array, " f"],
    frequency_hz: Float[Array, " f"],
) -> tuple[Float[Array, " q"], Float[Array, " q"]]:
    """Lowest and highest shape worth considering for this spectrum."""
    terms = law.terms(impedance, frequency_hz)
    terms = terms.reshape(len(terms), -1)
    terms = jnp.maximum(terms, 1e-3 * terms.mean(1, keepdims=True))
    balance = jnp.log(terms[:1]) - jnp.log(terms[1:])
    return balance.min(1) - _MARGIN, balance.max(1) + _MARGIN


class TwoComponent(AbstractVariance):
    """σ² = a² + b²|μ|²: an error floor and one proportional to the impedance.

    It holds for additive noise, for proportional noise, and for both together.
    """

    def terms(self, mean, frequency_hz):
        del frequency_hz
        square = _square(mean)
        return jnp.stack([jnp.ones_like(square), square])

    def num_terms(self):
        return 2

    def power(self):
        return 1

    def level_known(self):
        return jnp.zeros(())


class ThreeComponent(AbstractVariance):
    """σ² = a² + b²|μ|² + g²|μ|⁴: g is what noise in the current adds, potentiostatic."""

    def terms(self, mean, frequency_hz):
        del frequency_hz
        square = _square(mean)
        return jnp.stack([jnp.ones_like(square), square, square**2])

    def num_terms(self):
        return 3

    def power(self):
        return 1

    def level_known(self):
        return jnp.zeros(())


class MagnitudePhase(AbstractVariance):
    """σ_r² = a²|μ|² along μ and b²|μ|² across it, b being the phase's error in rad.

    For `likelihood=Polar()`.
    """

    def terms(self, mean, frequency_hz):
        del frequency_hz
        square = _square(mean)
        none = jnp.zeros_like(square)
        return jnp.stack([jnp.stack([square, none]), jnp.stack([none, square])])

    def num_terms(self):
        return 2

    def power(self):
        return 1

    def level_known(self):
        return jnp.zeros(())


class AgarwalOrazem(AbstractVariance):
    """σ = δ + α|Z_j| + β|Z_r - R_s| + γ|Z|²/R_m, fitted to repeats of real instruments.

    Args:
        series_ohm: R_s, the resistance in series, in Ohm.
        measuring_ohm: R_m, the current-measuring resistor, in Ohm.

    References:
        Agarwal, Crisalle, Orazem and Garcia-Rubio, J. Electrochem. Soc. 142 (1995) 4149.
    """

    series_ohm: Float[Array, ""]
    measuring_ohm: Float[Array, ""]

    def __init__(self, series_ohm: ArrayLike, measuring_ohm: ArrayLike):
        self.series_ohm = jnp.asarray(series_ohm, jnp.result_type(float))
        self.measuring_ohm = jnp.asarray(measuring_ohm, jnp.result_type(float))

    def terms(self, mean, frequency_hz):
        del frequency_hz
        over = jnp.abs(mean.real - self.series_ohm)
        current = _square(mean) / self.measuring_ohm
        return jnp.stack([jnp.ones_like(over), jnp.abs(mean.imag), over, current])

    def num_terms(self):
        return 4

    def power(self):
        return 2

    def level_known(self):
        return jnp.zeros(())


class KnownVariance(AbstractVariance):
    """σ² measured, from repeats or by the instrument; linear in log between frequencies.

    Args:
        frequency_hz: where it is known, ascending, in Hz.
        variance: σ² of each of Re and Im there, in Ohm², shape [m]; or [2 m] where the
            two differ.
        degrees_of_freedom: how well its level is known: 0 if the shape alone is, and
            very large if it is exact; `replicate_variance` estimates it.
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
        del mean
        log_known, at = jnp.log(self.frequency_hz), jnp.log(frequency_hz)
        parts = jnp.log(self.variance).reshape(-1, log_known.size)
        between = jax.vmap(lambda part: jnp.interp(at, log_known, part))(parts)
        return jnp.exp(between)[None]

    def num_terms(self):
        return 1

    def power(self):
        return 1

    def level_known(self):
        return self.degrees_of_freedom


def _square(z):
    return z.real**2 + z.imag**2
