"""`Network`: the elements of a circuit, their parameters, and their impedance."""

import functools
from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Complex, Float
from battprob.eis._network_impedance import impedance_and_gradient, node_impedance
from battprob.eis.elements import Element, Parameter
from battprob.eis.parser import Node, Series, leaves, parse, to_text


class Network(eqx.Module):
    """Elements in series and in parallel, with named parameters.

    A network has no data and no error model; `Circuit` adds these. Values of parameters
    are in the units of `units`, in the order of `names`.

    Args:
        text: impedance.py's notation, for example "R0-p(R1,CPE1)-Wo1".
        constants: fixed values of parameters, by name.
        elements: your own elements, made with `@battprob.eis.element`.

    Raises:
        DataError: the text is not a circuit (the message marks the position), or a
            constant names no parameter of the circuit or lies outside its bounds.
    """

    text: str = eqx.field(static=True)
    elements: tuple[Element, ...] = eqx.field(static=True)
    constant_names: tuple[str, ...] = eqx.field(static=True)
    constant_values: Float[Array, " c"]

    def __init__(
        self,
        text: str,
        *,
        constants: Mapping[str, float] | None = None,
        elements: Sequence[Element] = (),
    ):
        # The text is stored and not the tree: a saved file then shows the circuit, and
        # names only the functions of the user's own elements.
        tree = parse(text, elements)
        used = {leaf.element for leaf in leaves(tree)}
        self.text = to_text(tree)
        self.elements = tuple(element for element in elements if element in used)
        constants = dict(constants or {})
        parameters = dict(_named_parameters(tree))
        for name, value in constants.items():
            _check_constant(name, value, parameters)
        self.constant_names = tuple(constants)
        self.constant_values = jnp.array(
            list(constants.values()), jnp.result_type(float)
        )

    def __str__(self):
        return self.text

    @property
    def tree(self) -> Node:
        """The parsed text."""
        return _parsed(self.text, self.elements)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters, in the order of the text."""
        return tuple(self.free_parameters)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the free parameters."""
        return tuple(p.unit for p in self.free_parameters.values())

    @property
    def free_parameters(self) -> dict[str, Parameter]:
        """Unit, bounds and prior of every parameter that is not constant, by name."""
        return {
            name: parameter
            for name, parameter in _named_parameters(self.tree)
            if name not in self.constant_names
        }

    def blocks(self) -> tuple[Node, ...]:
        """The parts that are in series at the top of the tree."""
        return self.tree.children if isinstance(self.tree, Series) else (self.tree,)

    def impedance(
        self,
        parameters: Mapping[str, float] | ArrayLike,
        frequency_hz: ArrayLike,
    ) -> Complex[Array, " f"]:
        """Impedance in ohm at the frequencies.

        Args:
            parameters: values of the free parameters, by name or in the order of
                `names`.
            frequency_hz: positive frequencies in Hz, shape [f].

        Raises:
            DataError: parameters are missing, unknown, or of the wrong number.
        """
        frequency = jnp.asarray(frequency_hz, jnp.result_type(float))
        return _impedance(self, self.pack(parameters), frequency)

    def evaluate(
        self, values: Float[Array, " p"], omega: Float[Array, " f"]
    ) -> Complex[Array, " f"]:
        """Impedance in ohm at angular frequencies in rad/s, without checks, for jit."""
        return node_impedance(self.tree, self._values_by_name(values), omega)

    def evaluate_with_gradient(
        self, values: Float[Array, " p"], omega: Float[Array, " f"]
    ) -> tuple[Complex[Array, " f"], Complex[Array, "p f"]]:
        """Impedance in ohm and its derivatives with respect to the free parameters."""
        values_by_name = self._values_by_name(values)
        impedance, names, gradient = impedance_and_gradient(
            self.tree, values_by_name, omega
        )
        free = np.array([names.index(name) for name in self.names], int)
        return impedance, gradient if len(free) == len(names) else gradient[free]

    def pack(self, parameters: Mapping[str, float] | ArrayLike) -> Float[Array, " p"]:
        """Values of the free parameters as an array in the order of `names`.

        Raises:
            DataError: parameters are missing, unknown, or of the wrong number.
        """
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

    def _values_by_name(self, values):
        return dict(zip(self.names, values, strict=True)) | dict(
            zip(self.constant_names, self.constant_values, strict=True)
        )


@eqx.filter_jit
def _impedance(network, values, frequency):
    return network.evaluate(values, 2 * jnp.pi * frequency)


@functools.lru_cache(maxsize=256)
def _parsed(text, elements):
    return parse(text, elements)


def _named_parameters(tree):
    for leaf in leaves(tree):
        yield from zip(leaf.parameter_names(), leaf.element.parameters, strict=True)


def _check_constant(name, value, parameters):
    if name not in parameters:
        raise DataError(
            f"constant {name!r} is no parameter of the circuit; its parameters are "
            f"{list(parameters)}"
        )
    low, high = parameters[name].bounds
    if not (np.isfinite(value) and low <= value <= high):
        raise DataError(f"constant {name} = {value} lies outside [{low}, {high}]")
