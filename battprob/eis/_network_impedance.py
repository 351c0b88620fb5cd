"""Impedance of a circuit tree and its derivatives, element by element."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from battprob._typing import Array, Complex, Float
from battprob.eis.elements import reciprocal
from battprob.eis.parser import Leaf, Node, Series, to_text


def node_impedance(
    node: Node, values: Mapping[str, Array], omega: Float[Array, " f"]
) -> Complex[Array, " f"]:
    """Impedance in ohm of a part of a circuit.

    Args:
        node: the part.
        values: values of all its parameters, by name.
        omega: angular frequencies in rad/s.
    """
    if isinstance(node, Leaf):
        return node.element(omega, *(values[name] for name in node.parameter_names()))
    parts = [node_impedance(child, values, omega) for child in node.children]
    if isinstance(node, Series):
        return sum(parts[1:], parts[0])
    return reciprocal(sum(map(reciprocal, parts[1:]), reciprocal(parts[0])))


def impedance_and_gradient(
    node: Node, values: Mapping[str, Array], omega: Float[Array, " f"]
) -> tuple[Complex[Array, " f"], list[str], Complex[Array, "p f"]]:
    """Impedance, names of all parameters, and dZ/dparameter in the same order.

    JAX differentiates every element with respect to its own parameters only. The chain
    rule through series and parallel connections is written out: Z of a parallel
    connection changes with the impedance Z_i of a branch by (Z / Z_i)². This is several
    times cheaper than forward mode of the whole circuit, which would push every
    parameter through every element.
    """
    impedance, parts = _with_gradient(node, values, omega)
    names = [name for names, _ in parts for name in names]
    gradient = jnp.concatenate([gradient for _, gradient in parts])
    return jnp.asarray(impedance), names, gradient


def _with_gradient(node, values, omega):
    """Impedance of a part, and for each leaf the pair (names, gradient [k f])."""
    if isinstance(node, Leaf):
        return _leaf_with_gradient(node, values, omega)
    parts = [_with_gradient(child, values, omega) for child in node.children]
    impedances = [impedance for impedance, _ in parts]
    if isinstance(node, Series):
        gradients = [pair for _, pairs in parts for pair in pairs]
        return sum(impedances[1:], impedances[0]), gradients
    admittances = [reciprocal(impedance) for impedance in impedances]
    total = reciprocal(sum(admittances[1:], admittances[0]))
    gradients = []
    for admittance, (_, pairs) in zip(admittances, parts, strict=True):
        ratio = total * admittance
        square = (ratio * ratio)[None]
        gradients += [(names, square * gradient) for names, gradient in pairs]
    return total, gradients


def _leaf_with_gradient(leaf, values, omega):
    names = leaf.parameter_names()
    parameters = jnp.stack([values[name] for name in names])
    impedance, push = jax.linearize(
        lambda parameters: leaf.element(omega, *parameters), parameters
    )
    unit_vectors = jnp.eye(len(names), dtype=parameters.dtype)
    return impedance, [(names, jax.vmap(push)(unit_vectors))]


def structure(node: Node) -> str:
    """The text of a part without the numbers: equal for exchangeable parts."""

    def unnumbered(part):
        if isinstance(part, Leaf):
            return dataclasses.replace(part, name=part.element.name)
        return type(part)(tuple(unnumbered(child) for child in part.children))

    return to_text(unnumbered(node))
