r"""Circuit elements: impedance, and units, bounds and priors of the parameters.

Names, order of parameters and units are those of impedance.py. A parameter states its
*dimension*: the powers of ohm and of second in its unit. Its default prior and the
starting values of a fit follow from the dimension alone: a spectrum has a
characteristic resistance (its range) and characteristic times (its frequency band), and
the typical value of every parameter is a product of powers of the two. Results
therefore do not depend on whether a spectrum is given in ohm or milliohm.

References:
    Murbach, Gerwe, Dawson-Elli and Tsui, J. Open Source Softw. 5 (2020) 2349,
    doi:10.21105/joss.02349 (names and formulas).
"""

import dataclasses
import inspect
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex

_TYPICAL_EXPONENT = 0.8


@dataclasses.dataclass(frozen=True)
class Parameter:
    """Unit, bounds and prior of one parameter of an element.

    Args:
        unit: unit as tables show it.
        ohm: power of ohm in the unit.
        second: power of second in the unit; 0.8 where an exponent determines the power.
        bounds: open interval of possible values.
        typical: typical value in units of the spectrum's own resistance and time.
        prior_sd: prior standard deviation of the log (or logit) of the parameter, in
            addition to what the resistance and the time of the spectrum leave
            uncertain.

    Raises:
        DataError: the typical value lies outside the bounds.
    """

    unit: str
    ohm: float = 0.0
    second: float = 0.0
    bounds: tuple[float, float] = (0.0, math.inf)
    typical: float = 1.0
    prior_sd: float = 1.5

    def __post_init__(self):
        low, high = self.bounds
        if not low < self.typical < high:
            raise DataError(
                f"the typical value {self.typical} of a parameter must lie inside its "
                f"bounds {self.bounds}: give `typical=`"
            )


@dataclasses.dataclass(frozen=True)
class Element:
    """A named impedance function of angular frequency; made by `element`.

    Attributes:
        name: name in circuit texts.
        function: `function(omega, *parameters)` with ω = 2πf in rad/s.
        parameters: one for each argument of the function after `omega`.
    """

    name: str
    function: Callable[..., Array]
    parameters: tuple[Parameter, ...]

    def __call__(self, omega, *values) -> Complex[Array, " f"]:
        """Impedance in ohm at angular frequencies `omega` in rad/s."""
        # Formulas mix real parameters with complex impedances; users need not write
        # explicit conversions even where strict promotion is on.
        with jax.numpy_dtype_promotion("standard"):
            return self.function(omega, *values)


def element(*parameters: Parameter) -> Callable[[Callable[..., Array]], Element]:
    """Make a circuit element of a JAX function `f(omega, p1, p2, ...)`.

    To write your own:

    1. Write a function of JAX operations. `omega` is 2πf in rad/s, shape [f];
       parameters are scalars in the units that you choose; it returns the complex
       impedance in ohm, shape [f]. Its name, made of letters, is the name of the
       element.
    2. Put `@element(Parameter(...), ...)` above it, with one `Parameter` for every
       argument after `omega`.
    3. Pass it to the circuits that use it: `Circuit("R0-Slope1", elements=[Slope])`.
    4. To save posteriors with it, put `@battprob.register` between the two, directly
       above the function. The process that loads such a file imports the function's
       module.

    Args:
        parameters: one for every argument after `omega`.

    Raises:
        DataError: their number differs from that of the arguments, or the name cannot
            be part of a circuit text.

    Example:
        >>> @element(Parameter("Ohm", ohm=1.0), Parameter("s", second=1.0))
        ... def Debye(omega, resistance, tau):
        ...     return resistance / jax.lax.complex(jnp.ones_like(omega), omega * tau)
        >>> Debye.name
        'Debye'
    """

    def decorate(function):
        arguments = len(inspect.signature(function).parameters) - 1
        if arguments != len(parameters):
            raise DataError(
                f"element {function.__name__} takes {arguments} values after omega, "
                f"but {len(parameters)} Parameter(...) were given"
            )
        name = function.__name__
        if not name.isalpha() or name in ("p", "s"):
            raise DataError(
                "the name of an element consists of letters only and is not 'p' or "
                f"'s'; got {name!r}"
            )
        return Element(name, function, parameters)

    return decorate


def find(name: str, extra: Sequence[Element] = ()) -> Element | None:
    """The element of that name, first among `extra`; None if there is none."""
    return {one.name: one for one in extra}.get(name) or STANDARD.get(name)


# --- Building blocks without overflow and without cancellation ------------------------


def _imaginary(x):
    return jax.lax.complex(jnp.zeros_like(x), x)


def _real(x):
    return jax.lax.complex(x, jnp.zeros_like(x))


def _power(x, exponent, log_divisor: ArrayLike = 0.0):
    """(jx)^exponent / exp(log_divisor) for x > 0.

    The angle does not depend on x, so the cost is that of a real power.
    """
    modulus = jnp.exp(exponent * jnp.log(x) - log_divisor)
    angle = 0.5 * math.pi * exponent
    return jax.lax.complex(modulus * jnp.cos(angle), modulus * jnp.sin(angle))


def reciprocal(z: Complex[Array, "*f"]) -> Complex[Array, "*f"]:
    """1/z by real divisions, scaled against overflow.

    XLA's complex division takes longer than everything else in a circuit together.
    """
    scale = 1 / jnp.maximum(jnp.abs(z.real), jnp.abs(z.imag))
    real, imag = z.real * scale, z.imag * scale
    scale = scale / (real**2 + imag**2)
    return jax.lax.complex(real * scale, -imag * scale)


def _root(x):
    """√(jx) for x > 0."""
    half = jnp.sqrt(0.5 * x)
    return jax.lax.complex(half, half)


def _tanh(x):
    """tanh(x) for Re x >= 0, from exp(-2x) only, which cannot overflow."""
    return -jnp.expm1(-2 * x) * reciprocal(1 + jnp.exp(-2 * x))


def _sinh_inverse(x):
    """1 / sinh(x) for Re x >= 0, without overflow."""
    return -2 * jnp.exp(-x) * reciprocal(jnp.expm1(-2 * x))


_OHM = Parameter("Ohm", ohm=1.0)
_SECOND = Parameter("sec", second=1.0)
_EXPONENT = Parameter("", bounds=(0.0, 1.0), typical=_TYPICAL_EXPONENT)
_RATIO = Parameter("")


@element(_OHM)
def R(omega, resistance):
    """R."""
    return _real(jnp.broadcast_to(resistance, omega.shape))


@element(Parameter("F", ohm=-1.0, second=1.0))
def C(omega, capacitance):
    """1 / jωC."""
    return _imaginary(-1 / (capacitance * omega))


@element(Parameter("H", ohm=1.0, second=1.0))
def L(omega, inductance):
    """jωL."""
    return _imaginary(inductance * omega)


@element(Parameter("Ohm^-1 sec^a", ohm=-1.0, second=_TYPICAL_EXPONENT), _EXPONENT)
def CPE(omega, admittance, exponent):
    """1 / Q(jω)^α."""
    return _power(omega, -exponent, jnp.log(admittance))


@element(Parameter("Ohm sec^-1/2", ohm=1.0, second=-0.5))
def W(omega, coefficient):
    """A_W (1 - j) / √ω."""
    real = coefficient / jnp.sqrt(omega)
    return jax.lax.complex(real, -real)


@element(_OHM, _SECOND)
def Wo(omega, resistance, tau):
    """Z₀ coth(√jωτ) / √jωτ: diffusion to a blocking wall."""
    root = _root(omega * tau)
    return resistance * reciprocal(root * _tanh(root))


@element(_OHM, _SECOND)
def Ws(omega, resistance, tau):
    """Z₀ tanh(√jωτ) / √jωτ: diffusion to a reservoir."""
    root = _root(omega * tau)
    return resistance * _tanh(root) * reciprocal(root)


@element(_OHM, _SECOND, _EXPONENT)
def Won(omega, resistance, tau, exponent):
    """Wo with √jωτ replaced by (jωτ)^(α/2); also written Wo_n."""
    root = _power(omega * tau, 0.5 * exponent)
    return resistance * reciprocal(root * _tanh(root))


@element(_OHM, _SECOND, _EXPONENT)
def Wsn(omega, resistance, tau, exponent):
    """Ws with √jωτ replaced by (jωτ)^(α/2); also written Ws_n."""
    root = _power(omega * tau, 0.5 * exponent)
    return resistance * _tanh(root) * reciprocal(root)


@element(_OHM, _SECOND)
def K(omega, resistance, tau):
    """R / (1 + jωτ)."""
    return resistance * reciprocal(1 + _imaginary(omega * tau))


@element(_OHM, _SECOND, _EXPONENT)
def Zarc(omega, resistance, tau, exponent):
    """R / (1 + (jωτ)^γ)."""
    return resistance * reciprocal(1 + _power(omega * tau, exponent))


@element(_OHM, _SECOND, _EXPONENT, _EXPONENT)
def HN(omega, resistance, tau, alpha, beta):
    """Havriliak-Negami: R / (1 + (jωτ)^α)^β."""
    return resistance * jnp.exp(-beta * jnp.log(1 + _power(omega * tau, alpha)))


@element(_OHM, _SECOND)
def G(omega, resistance, tau):
    """Gerischer: R / √(1 + jωτ)."""
    return resistance * reciprocal(jnp.sqrt(1 + _imaginary(omega * tau)))


@element(_OHM, _SECOND, _RATIO)
def Gs(omega, resistance, tau, ratio):
    """Finite Gerischer: R / (√(1 + jωτ) tanh(φ√(1 + jωτ)))."""
    root = jnp.sqrt(1 + _imaginary(omega * tau))
    return resistance * reciprocal(root * _tanh(ratio * root))


@element(Parameter("H sec", ohm=1 / _TYPICAL_EXPONENT, second=1.0), _EXPONENT)
def La(omega, inductance, exponent):
    """(jωL)^α, as impedance.py computes it; `Ls` is the form in its documentation."""
    return _power(omega * inductance, exponent)


@element(Parameter("H sec^(a-1)", ohm=1.0, second=_TYPICAL_EXPONENT), _EXPONENT)
def Ls(omega, inductance, exponent):
    """L(jω)^α."""
    return inductance * _power(omega, exponent)


@element(
    _OHM,
    Parameter("F sec^(gamma - 1)", ohm=-1.0, second=_TYPICAL_EXPONENT),
    _EXPONENT,
)
def TLMQ(omega, resistance, admittance, exponent):
    """√(R Zs) coth √(R/Zs), Zs = 1/Q(jω)^γ: a porous electrode without reaction."""
    root = jnp.sqrt(resistance * admittance) * _power(omega, 0.5 * exponent)
    return resistance * reciprocal(root * _tanh(root))


@element(
    Parameter("Ohm-m^2", ohm=1.0),
    Parameter("Ohm-m^2", ohm=1.0),
    _RATIO,
    _SECOND,
)
def T(omega, first, second, rate, tau):
    """A coth β / β + B / (β sinh β), β = √(a + jωb): Paasch's porous electrode."""
    beta = jnp.sqrt(rate + _imaginary(omega * tau))
    both = first * reciprocal(_tanh(beta)) + second * _sinh_inverse(beta)
    return both * reciprocal(beta)


STANDARD: dict[str, Element] = {
    one.name: one
    for one in (
        *(R, C, L, CPE, W, Wo, Ws, Won, Wsn, K, Zarc, HN, G, Gs, La, Ls, TLMQ, T),
    )
}
NEVER_INDUCTIVE = frozenset(STANDARD.values()) - {L, La, Ls}
