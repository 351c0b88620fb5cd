"""`Problem`: checked spectra in a batch, with the circuit and its error model."""

import warnings
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from battprob._errors import DataError, PrecisionWarning
from battprob._typing import Array, ArrayLike, Complex, Float
from battprob.eis._unconstrained import clip_inside, to_unconstrained
from battprob.eis.elements import NEVER_INDUCTIVE
from battprob.eis.likelihood import AbstractLikelihood, Magnitude, Phase
from battprob.eis.network import Network
from battprob.eis.parser import leaves
from battprob.eis.variance import AbstractVariance

_MOST = 0.8  # fraction of positive Im Z that noise cannot explain


class Problem(eqx.Module):
    """Spectra to fit, frequencies ascending, and the model of them.

    Attributes:
        network: circuit with the free parameters.
        noise: model of the variance over frequency.
        likelihood: distribution of the recorded values.
        frequency_hz: frequencies in Hz.
        measured: recorded values: impedances or magnitudes in ohm, or phases in rad.
        impedance: impedances in ohm; approximations if `measured` is not complex.
        guess: the user's starting values, unconstrained; g is 0 or 1.
        single: whether the user passed one spectrum and not a batch.
    """

    network: Network
    noise: AbstractVariance
    likelihood: AbstractLikelihood
    frequency_hz: Float[Array, " f"]
    measured: Array
    impedance: Complex[Array, "n f"]
    guess: Float[Array, "n g p"]
    single: bool = eqx.field(static=True)


def checked_problem(
    network: Network,
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    noise: AbstractVariance,
    likelihood: AbstractLikelihood,
    guess: Mapping[str, float] | ArrayLike | None = None,
) -> Problem:
    """Check spectra and put them in a batch, frequencies ascending.

    Raises:
        DataError: shapes that do not agree, values that are not finite, frequencies
            that are not positive, too few frequencies, or the wrong sign of Im Z.
    """
    frequency, measured = checked_spectra(frequency_hz, impedance_ohm, likelihood)
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
        values = clip_inside(_guess_rows(network, guess, len(batch)), parameters)
        guesses = to_unconstrained(values, parameters)[:, None]
    impedance = likelihood.approximate_impedance(frequency[order], batch)
    spectra, approximate, guesses = with_sharding_of(
        (to_jax(batch, real), to_jax(impedance, real), guesses), impedance_ohm
    )
    return Problem(
        network,
        noise,
        likelihood,
        jnp.asarray(frequency[order], real),
        spectra,
        approximate,
        guesses,
        measured.ndim == 1,
    )


def _check_enough(network, measured):
    count = measured.shape[1] * (2 if np.iscomplexobj(measured) else 1)
    if count <= len(network.names):
        raise DataError(
            f"{measured.shape[1]} frequencies are too few for the {len(network.names)} "
            f"free parameters of {network}: use a smaller circuit, or fix parameters "
            "with `constants=`"
        )


def _check_sign(network, measured):
    """Refuse spectra with reversed Im Z: without inductance it is negative."""
    elements = {leaf.element for leaf in leaves(network.tree)}
    if not np.iscomplexobj(measured) or not elements <= NEVER_INDUCTIVE:
        return
    positive = np.mean(np.imag(measured) > 0, axis=1)
    wrong = np.flatnonzero(positive > _MOST)
    if wrong.size:
        raise DataError(
            f"Im Z of spectrum {wrong[0]} is positive at {positive[wrong[0]]:.0%} of "
            f"its frequencies, but {network} has no inductance. Im Z must be negative "
            "where capacitive: pass impedance_ohm.conj() if the file has -Im Z"
        )


def _guess_rows(network, guess, count):
    """The guess [count p], one row for each spectrum."""
    if not isinstance(guess, Mapping) and np.ndim(guess) == 2:
        rows = [network.pack(row) for row in np.asarray(guess)]
        if len(rows) != count:
            raise DataError(
                f"guess has {len(rows)} rows for {count} spectra: pass one row for "
                "each, or one guess for all"
            )
        return jnp.stack(rows)
    row = network.pack(guess)
    return jnp.broadcast_to(row[None], (count, row.size))


def checked_spectra(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, likelihood: AbstractLikelihood
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [f] and recorded values [f] or [n f] as NumPy arrays.

    Raises:
        DataError: shapes that do not agree, values that are not finite, frequencies
            that are not positive, or values of a kind that the likelihood does not
            describe.
    """
    frequency, measured = np.asarray(frequency_hz, float), np.asarray(impedance_ohm)
    if frequency.ndim != 1 or measured.ndim not in (1, 2):
        raise DataError(
            "a fit needs frequencies [f] and impedances [f] or [spectra f]; got shapes "
            f"{frequency.shape} and {measured.shape}"
        )
    if measured.shape[-1] != frequency.size:
        raise DataError(
            f"got {frequency.size} frequencies, but {measured.shape[-1]} impedances in "
            "each spectrum: all spectra must be measured at the same frequencies"
        )
    wrong = np.flatnonzero(~(np.isfinite(frequency) & (frequency > 0)))
    if wrong.size:
        raise DataError(
            f"frequency_hz[{wrong[0]}] = {frequency[wrong[0]]}: frequencies must be "
            "positive; remove direct-current rows"
        )
    wrong = np.argwhere(~np.isfinite(measured))
    if wrong.size:
        raise DataError(
            f"impedance_ohm{[int(i) for i in wrong[0]]} is not finite: remove that "
            "frequency or that spectrum"
        )
    if np.iscomplexobj(measured) == isinstance(likelihood, Magnitude | Phase):
        raise DataError(
            "complex impedances need the default likelihood, StudentT() or Polar(), "
            f"real numbers need Magnitude() (|Z| in ohm) or Phase() (rad); got "
            f"{type(likelihood).__name__}() and {measured.dtype}"
        )
    return frequency, measured


def to_jax(values: np.ndarray, real) -> Array:
    """Real or complex values as a JAX array with the precision of `real`."""
    if not np.iscomplexobj(values):
        return jnp.asarray(values, real)
    return jax.lax.complex(
        *(jnp.asarray(a, real) for a in (np.real(values), np.imag(values)))
    )


def with_sharding_of(arrays: tuple[Array, ...], like: ArrayLike) -> tuple[Array, ...]:
    """Arrays with one row for each spectrum, distributed over devices as `like` is."""
    sharding = getattr(like, "sharding", None)
    if not isinstance(sharding, NamedSharding) or np.ndim(like) < 2:
        return arrays
    rows = NamedSharding(sharding.mesh, PartitionSpec(sharding.spec[0]))
    return jax.device_put(arrays, rows)
