"""`Circuit`: an equivalent circuit with the error model and inference of its fits."""

from collections.abc import Mapping, Sequence

import equinox as eqx

from battprob._errors import DataError
from battprob._modules import require_parts
from battprob._typing import Array, ArrayLike, Complex, PRNGKey
from battprob.eis.elements import Element
from battprob.eis.inference import AbstractCircuitInference
from battprob.eis.laplace import Laplace
from battprob.eis.likelihood import AbstractLikelihood, ComplexNormal, Polar
from battprob.eis.network import Network
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.problem import checked_problem
from battprob.eis.variance import AbstractVariance, MagnitudePhase, TwoComponent


class Circuit(eqx.Module):
    """An equivalent circuit, to be fitted to impedance spectra.

    Args:
        text: impedance.py's notation, for example "R0-p(R1,CPE1)-Wo1".
        constants: fixed values of parameters, by name.
        elements: your own elements, made with `@battprob.eis.element`.
        noise: model of the variance over frequency; default `TwoComponent()`.
        likelihood: what is recorded and the distribution of its errors; default
            `ComplexNormal()`. Use `StudentT()` if the spectra have outliers and
            `Polar()` for lock-in instruments; with `Magnitude()` or `Phase()`, `fit`
            takes |Z| in ohm or phases in rad in place of impedances.
        inference: default `Laplace()`; `NUTS()` samples the posterior.

    Raises:
        DataError: the text is not a circuit (the message marks the position), a
            constant names no parameter of it or lies outside its bounds, or
            `MagnitudePhase()` is used without `Polar()`.

    Example:
        >>> circuit = Circuit("R0-p(R1,CPE1)", constants={"CPE1_1": 0.9})
        >>> circuit.names
        ('R0', 'R1', 'CPE1_0')
        >>> circuit.impedance({"R0": 1.0, "R1": 2.0, "CPE1_0": 0.1}, [1e5, 1e-4]).shape
        (2,)
        >>> posterior = circuit.fit(  # doctest: +SKIP
        ...     frequency_hz, impedance_ohm, key=jax.random.key(0)
        ... )
        >>> posterior.save("circuit.npz")  # doctest: +SKIP
    """

    network: Network
    noise: AbstractVariance
    likelihood: AbstractLikelihood
    inference: AbstractCircuitInference

    def __init__(
        self,
        text: str,
        *,
        constants: Mapping[str, float] | None = None,
        elements: Sequence[Element] = (),
        noise: AbstractVariance | None = None,
        likelihood: AbstractLikelihood | None = None,
        inference: AbstractCircuitInference | None = None,
    ):
        self.network = Network(text, constants=constants, elements=elements)
        self.noise = TwoComponent() if noise is None else noise
        self.likelihood = ComplexNormal() if likelihood is None else likelihood
        self.inference = Laplace() if inference is None else inference

    def __check_init__(self):
        require_parts(self)
        if isinstance(self.noise, MagnitudePhase) and not isinstance(
            self.likelihood, Polar
        ):
            raise DataError("MagnitudePhase() is the noise model of likelihood=Polar()")

    def __str__(self):
        return str(self.network)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters, in the order of the text."""
        return self.network.names

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the free parameters."""
        return self.network.units

    def impedance(
        self,
        parameters: Mapping[str, float] | ArrayLike,
        frequency_hz: ArrayLike,
    ) -> Complex[Array, " f"]:
        """Impedance in ohm at the frequencies, without noise.

        Args:
            parameters: values of the free parameters, by name or in the order of
                `names`.
            frequency_hz: positive frequencies in Hz, shape [f].

        Raises:
            DataError: parameters are missing, unknown, or of the wrong number.
        """
        return self.network.impedance(parameters, frequency_hz)

    def fit(
        self,
        frequency_hz: ArrayLike,
        impedance_ohm: ArrayLike,
        *,
        key: PRNGKey,
        guess: Mapping[str, float] | ArrayLike | None = None,
    ) -> CircuitPosterior:
        """Posterior of the parameters for one spectrum, or for each of a batch.

        Args:
            frequency_hz: positive frequencies in Hz, in any order, shape [f].
            impedance_ohm: complex impedances in ohm, Im Z negative where capacitive;
                shape [f] or [spectra f].
            key: PRNG key (`jax.random.key(seed)`), for starting values and draws.
            guess: starting values to try in addition to those found from the data, for
                all spectra, or an array [spectra parameters] with one row for each.

        Raises:
            DataError: the arrays are not spectra (the message names the index).
            FitError: no starting values of a spectrum led to a finite misfit.
        """
        problem = checked_problem(
            self.network,
            frequency_hz,
            impedance_ohm,
            self.noise,
            self.likelihood,
            guess,
        )
        return self.inference.run(problem, key=key)
