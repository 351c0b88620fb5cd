"""Spectra as a fit takes them: checked, in a batch, frequencies ascending."""

import warnings
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from battprob._errors import DataError, PrecisionWarning
from battprob._typing import Array, ArrayLike, Complex, Float
from battprob.eis._scales import inside, to_free
from battprob.eis.elements import NEVER_INDUCTIVE
from battprob.eis.likelihood import AbstractLikelihood, Magnitude, Phase
from battprob.eis.network import Network
from battprob.eis.parser import leaves
from battprob.eis.variance import AbstractVariance

_MOSTLY = 0.8


class Problem(eqx.Module):
    """Checked spectra, the circuit and the laws of their noise.

    `impedance` is what was measured or, where that is no complex number, near it.
    """

    network: Network
    noise: AbstractVariance
    likelihood: AbstractLikelihood
    frequency_hz: Float[Array, " f"]
    measured: Array
    impedance: Complex[Array, "n f"]
    guess: Float[Array, "n g p"]
    single: bool = eqx.field(static=True)


def problem(
    network: Network,
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    noise: AbstractVariance,
    likelihood: AbstractLikelihood,
    guess: Mapping[str, float] | ArrayLike | None = None,
) -> Problem:
    """Check spectra and put them in a batch, frequencies ascending.

    Raises:
        DataError: shapes that do not agree, values not finite, frequencies not positive.
    """
    frequency, measured = checked(frequency_hz, impedance_ohm, likelihood)
    order = np.argsort(frequency)
    real = jnp.result_type(float)
    if jnp.finfo(real).bits < 64:
        warnings.warn(
            "circuits are fitted in float32: call battprob.enable_x64() first",
            PrecisionWarning,
            stacklevel=3,
        )
    parameters = tuple(network.free_parameters.values())
    batch = np.atleast_2d(measured)[:, order]
    _check_enough(network, batch)
    _check_sign(network, batch)
    guesses = jnp.zeros((len(batch), 0, len(parameters)), real)
    if guess is not None:
        values = _one_each(network, guess, len(batch))
        guesses = to_free(inside(values, parameters), parameters)[:, None]
    impedance = likelihood.spectrum(frequency[order], batch)
    spectra, near, guesses = placed(
        (to_jax(batch, real), to_jax(impedance, real), guesses), impedance_ohm
    )
    return Problem(
        network,
        noise,
        likelihood,
        jnp.asarray(frequency[order], real),
        spectra,
        near,
        guesses,
        measured.ndim == 1,
    )


def _check_enough(network, measured):
    numbers = measured.shape[1] * (2 if np.iscomplexobj(measured) else 1)
    if numbers <= len(network.names):
        raise DataError(
            f"{measured.shape[1]} frequencies are too few for the {len(network.names)} free "
            f"parameters of {network}: take a smaller circuit, or hold some by `constants=`"
        )


def _check_sign(network, measured):
    """Without inductance no Im Z is positive throughout."""
    kinds = {leaf.element for leaf in leaves(network.tree)}
    if not np.iscomplexobj(measured) or not kinds <= NEVER_INDUCTIVE:
        return
    positive = np.mean(np.imag(measured) > 0, axis=1)
    wrong = np.flatnonzero(positive > _MOSTLY)
    if wrong.size:
        raise DataError(
            f"Im Z of spectrum {wrong[0]} is positive at {positive[wrong[0]]:.0%} of its "
            f"frequencies, and {network} has no inductance: Im Z is signed, negative "
            "where capacitive; pass impedance_ohm.conj() if the file holds -Im Z"
        )


def _one_each(network, guess, count):
    """A guess for each spectrum, from one for each or one for all."""
    if not isinstance(guess, Mapping) and np.ndim(guess) == 2:
        rows = [network.pack(row) for row in np.asarray(guess)]
        if len(rows) != count:
            raise DataError(f"{len(rows)} rows of guesses for {count} spectra")
        return jnp.stack(rows)
    one = network.pack(guess)
    return jnp.broadcast_to(one[None], (count, one.size))


def checked(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, likelihood: AbstractLikelihood
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [f] and recordings [f] or [n f], or an error that says what is wrong."""
    frequency, measured = np.asarray(frequency_hz, float), np.asarray(impedance_ohm)
    if frequency.ndim != 1 or measured.ndim not in (1, 2):
        raise DataError(
            "a fit needs frequencies [f] and impedances [f] or [spectra f]; got shapes "
            f"{frequency.shape} and {measured.shape}"
        )
    if measured.shape[-1] != frequency.size:
        raise DataError(
            f"{frequency.size} frequencies, but {measured.shape[-1]} impedances a "
            "spectrum: every spectrum must be measured at the same frequencies"
        )
    wrong = np.flatnonzero(~(np.isfinite(frequency) & (frequency > 0)))
    if wrong.size:
        raise DataError(
            f"frequency_hz[{wrong[0]}] = {frequency[wrong[0]]}: frequencies must be "
            "positive; drop direct-current rows"
        )
    wrong = np.argwhere(~np.isfinite(measured))
    if wrong.size:
        raise DataError(
            f"impedance_ohm{[int(i) for i in wrong[0]]} is not finite: drop that "
            "frequency or that spectrum"
        )
    if np.iscomplexobj(measured) == isinstance(likelihood, Magnitude | Phase):
        raise DataError(
            "complex impedances go with the default likelihood, StudentT or Polar, real "
            f"numbers with Magnitude() (|Z| in Ohm) or Phase() (rad); got "
            f"{type(likelihood).__name__}() and {measured.dtype}"
        )
    return frequency, measured


def to_jax(values: np.ndarray, real) -> Array:
    """In the precision of reals, which sets that of complex numbers too."""
    if not np.iscomplexobj(values):
        return jnp.asarray(values, real)
    return jax.lax.complex(
        *(jnp.asarray(a, real) for a in (np.real(values), np.imag(values)))
    )


def placed(spectra: tuple[Array, ...], like: ArrayLike) -> tuple[Array, ...]:
    """Arrays of one row a spectrum on the devices that hold `like`, where it is spread."""
    sharding = getattr(like, "sharding", None)
    if not isinstance(sharding, NamedSharding) or np.ndim(like) < 2:
        return spectra
    rows = NamedSharding(sharding.mesh, PartitionSpec(sharding.spec[0]))
    return jax.device_put(spectra, rows)
