"""`Circuit`: an equivalent circuit, parsed to a tree of elements."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float, PRNGKey
from battprob.eis.elements import Element, Parameter, reciprocal
from battprob.eis.parser import Leaf, Node, Series, leaves, parse, to_text

if TYPE_CHECKING:
    from battprob.eis.fit import AbstractCircuitInference
    from battprob.eis.likelihood import AbstractLikelihood
    from battprob.eis.posterior import CircuitPosterior
    from battprob.eis.variance import AbstractVariance


class Circuit(eqx.Module):
    """An equivalent circuit with named parameters.

    Args:
        text: impedance.py's notation, for example "R0-p(R1,CPE1)-Wo1".
        constants: values of parameters that are known and held, by name.
        elements: elements of your own, made with `@battprob.eis.element`.

    Raises:
        DataError: the string is not a circuit (the message points at the place), or a
            constant names no parameter of it or lies outside its bounds.

    Example:
        >>> circuit = Circuit("R0-p(R1,CPE1)", constants={"CPE1_1": 0.9})
        >>> circuit.names
        ('R0', 'R1', 'CPE1_0')
        >>> circuit.impedance({"R0": 1.0, "R1": 2.0, "CPE1_0": 0.1}, [1e5, 1e-4]).shape
        (2,)
    """

    tree: Node = eqx.field(static=True)
    constant_names: tuple[str, ...] = eqx.field(static=True)
    constant_values: Float[Array, " c"]

    def __init__(
        self,
        text: str,
        *,
        constants: Mapping[str, float] | None = None,
        elements: Sequence[Element] = (),
    ):
        self.tree = parse(text, elements)
        held = dict(constants or {})
        known = dict(_named_parameters(self.tree))
        for name, value in held.items():
            _check_constant(name, value, known)
        self.constant_names = tuple(held)
        self.constant_values = jnp.array(list(held.values()), jnp.result_type(float))

    def __str__(self):
        return to_text(self.tree)

    @property
    def names(self) -> tuple[str, ...]:
        """The free parameters, in the order of the string."""
        return tuple(self.free_parameters)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the free parameters."""
        return tuple(p.unit for p in self.free_parameters.values())

    @property
    def free_parameters(self) -> dict[str, Parameter]:
        """What is known before any data of each free parameter, by name."""
        return {
            name: parameter
            for name, parameter in _named_parameters(self.tree)
            if name not in self.constant_names
        }

    def impedance(
        self,
        parameters: Mapping[str, float] | ArrayLike,
        frequency_hz: ArrayLike,
    ) -> Complex[Array, " f"]:
        """Impedance in Ohm at the frequencies.

        Args:
            parameters: the free ones, by name or in the order of `names`.
            frequency_hz: positive, in Hz.

        Raises:
            DataError: parameters are missing, unknown, or of the wrong number.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        values = self.pack(parameters)
        return self.evaluate(values, 2 * jnp.pi * frequency)

    def evaluate(
        self, values: Float[Array, " p"], omega: Float[Array, " f"]
    ) -> Complex[Array, " f"]:
        """Impedance at angular frequencies, from checked arrays: for use under jit."""
        everything = dict(zip(self.names, values, strict=True)) | dict(
            zip(self.constant_names, self.constant_values, strict=True)
        )
        return node_impedance(self.tree, everything, omega)

    def evaluate_with_slopes(
        self, values: Float[Array, " p"], omega: Float[Array, " f"]
    ) -> tuple[Complex[Array, " f"], Complex[Array, "p f"]]:
        """Impedance and its derivatives to the free parameters, for use under jit.

        Elements are differentiated by JAX, each to its own parameters only, and the tree
        multiplies by what an element weighs in the whole: several times cheaper than
        pushing every parameter through every element.
        """
        everything = dict(zip(self.names, values, strict=True)) | dict(
            zip(self.constant_names, self.constant_values, strict=True)
        )
        impedance, parts = _with_slopes(self.tree, everything, omega)
        order = [name for names, _ in parts for name in names]
        slopes = jnp.concatenate([slopes for _, slopes in parts])
        free = np.array([order.index(name) for name in self.names], int)
        return jnp.asarray(impedance), slopes if len(free) == len(order) else slopes[
            free
        ]

    def pack(self, parameters: Mapping[str, float] | ArrayLike) -> Float[Array, " p"]:
        """Free parameters as an array in the order of `names`."""
        if isinstance(parameters, Mapping):
            wrong = set(parameters) ^ set(self.names)
            if wrong:
                raise DataError(
                    f"{self} needs values for {list(self.names)}; missing or unknown: "
                    f"{sorted(wrong)}"
                )
            parameters = [parameters[name] for name in self.names]
        values = jnp.asarray(parameters, jnp.result_type(float))
        if values.shape != (len(self.names),):
            raise DataError(
                f"{self} has {len(self.names)} free parameters {list(self.names)}; got "
                f"an array of shape {values.shape}"
            )
        return values

    def blocks(self) -> tuple[Node, ...]:
        """What stands in series at the top of the tree."""
        return self.tree.children if isinstance(self.tree, Series) else (self.tree,)

    def fit(
        self,
        frequency_hz: ArrayLike,
        impedance_ohm: ArrayLike,
        *,
        key: PRNGKey,
        noise: "AbstractVariance | None" = None,
        likelihood: "AbstractLikelihood | None" = None,
        guess: Mapping[str, float] | ArrayLike | None = None,
        inference: "AbstractCircuitInference | None" = None,
    ) -> "CircuitPosterior":
        """Posterior of the parameters given one spectrum, or a batch side by side.

        Args:
            frequency_hz: positive, in Hz, shape [f].
            impedance_ohm: complex, in Ohm, Im Z negative where capacitive; [f] or
                [spectra f].
            key: PRNG key, for the scatter of the starts and for draws.
            noise: how the variance goes over frequency; default `TwoComponent()`.
            likelihood: what was recorded and the law of its errors; default
                `ComplexNormal()`. `StudentT()` for wild points, `Polar()` for lock-in
                instruments; for `Magnitude()` and `Phase()` hand |Z| in Ohm or phases in
                rad in place of impedances.
            guess: a start to try beside those found from the data, for all spectra or
                (an array [spectra parameters]) for each.
            inference: default `Laplace()`; `NUTS()` to sample.

        Raises:
            DataError: the arrays are not spectra (the message says where).
            FitError: no start of a spectrum reached a finite misfit.
        """
        from battprob.eis._problem import problem
        from battprob.eis.fit import Laplace
        from battprob.eis.likelihood import ComplexNormal
        from battprob.eis.variance import TwoComponent

        task = problem(
            self,
            frequency_hz,
            impedance_ohm,
            TwoComponent() if noise is None else noise,
            ComplexNormal() if likelihood is None else likelihood,
            guess,
        )
        return (Laplace() if inference is None else inference).run(task, key=key)


def _named_parameters(tree):
    for leaf in leaves(tree):
        yield from zip(leaf.parameter_names(), leaf.element.parameters, strict=True)


def node_impedance(
    node: Node, values: Mapping[str, Array], omega: Float[Array, " f"]
) -> Complex[Array, " f"]:
    """Impedance of a part of a circuit; `values` by name."""
    if isinstance(node, Leaf):
        own = [values[name] for name in node.parameter_names()]
        return node.element(omega, *own)
    parts = [node_impedance(child, values, omega) for child in node.children]
    if isinstance(node, Series):
        return sum(parts[1:], parts[0])
    return reciprocal(sum(map(reciprocal, parts[1:]), reciprocal(parts[0])))


def _with_slopes(node, values, omega):
    """Impedance of a part, and its derivatives: one pair (names, slopes [k f]) a leaf."""
    if isinstance(node, Leaf):
        return _leaf_with_slopes(node, values, omega)
    parts = [_with_slopes(child, values, omega) for child in node.children]
    impedances = [impedance for impedance, _ in parts]
    if isinstance(node, Series):
        return sum(impedances[1:], impedances[0]), [
            pair for _, own in parts for pair in own
        ]
    admittances = [reciprocal(impedance) for impedance in impedances]
    total = reciprocal(sum(admittances[1:], admittances[0]))
    weighed = []
    for admittance, (_, own) in zip(admittances, parts, strict=True):
        share = total * admittance
        square = (share * share)[None]
        weighed += [(names, square * slopes) for names, slopes in own]
    return total, weighed


def _leaf_with_slopes(leaf, values, omega):
    names = leaf.parameter_names()
    own = jnp.stack([values[name] for name in names])
    impedance, push = jax.linearize(lambda own: leaf.element(omega, *own), own)
    return impedance, [(names, jax.vmap(push)(jnp.eye(len(names), dtype=own.dtype)))]


def structure(node: Node) -> str:
    """The string of a part with the numbers left out: equal for exchangeable parts."""

    def bare(part):
        if isinstance(part, Leaf):
            return dataclasses.replace(part, name=part.element.name)
        return type(part)(tuple(bare(child) for child in part.children))

    return to_text(bare(node))


def _check_constant(name, value, known):
    if name not in known:
        raise DataError(f"constant {name!r} is no parameter: known are {list(known)}")
    low, high = known[name].bounds
    if not (np.isfinite(value) and low <= value <= high):
        raise DataError(f"constant {name} = {value} lies outside [{low}, {high}]")
