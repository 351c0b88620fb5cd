"""Which arrays of a kernel, noise model or prior are learned, and which stay fixed.

All numbers of a specification are array leaves, so that a new value compiles nothing
again. Most of them are parameters: optimisers and samplers change them. A field declared
with `fixed_field()` holds numbers that no fit changes, such as the standard deviation of
a prior. A field declared with `weight_field()` holds weights that are N(0, I) a priori
and that the model integrates out.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float

Tree = TypeVar("Tree")

PARAMETER, WEIGHT, FIXED = "parameter", "weight", "fixed"
_ROLE = "battprob role"


def as_array(value: ArrayLike) -> Array:
    """A number as an array of JAX's default precision."""
    return jnp.asarray(value, jnp.result_type(float))


def positive(name: str, value: ArrayLike) -> Array:
    """A positive number as an array.

    Raises:
        ValueError: `value` is zero, negative or not finite; the message begins with
            `name`.
    """
    if not np.all((np.asarray(value) > 0) & np.isfinite(value)):
        raise ValueError(f"{name} must be above 0 and finite; got {value}")
    return as_array(value)


def log_parameter(value: ArrayLike, name: str = "a positive parameter") -> Array:
    """Logarithm of a positive number: the unconstrained scale on which it is learned.

    Raises:
        ValueError: `value` is zero, negative or not finite; the message begins with
            `name`.
    """
    positive(name, value)
    # NumPy, so that the construction of a kernel compiles nothing.
    return as_array(np.log(value))


def fixed_field(**settings: Any) -> Any:
    """Declare a field of a module whose numbers no optimiser or sampler may change.

    The value (a number, an array or None) is converted to an array, so that another value
    compiles nothing again.

    Args:
        settings: those of `equinox.field`, such as `default`.

    Example:
        >>> class Offset(eqx.Module):
        ...     log_variance: Array
        ...     prior_std: Array = fixed_field(default=2.0)
        >>> ravel_parameters(Offset(jnp.zeros(())))[0].shape
        (1,)
    """

    def converter(value):
        return None if value is None else as_array(value)

    return eqx.field(converter=converter, metadata={_ROLE: FIXED}, **settings)


def weight_field(**settings: Any) -> Any:
    """Declare a field whose numbers are N(0, I) a priori and integrated out by models."""
    return eqx.field(metadata={_ROLE: WEIGHT}, **settings)


def select(tree: Tree, role: str) -> Tree:
    """The leaves of a tree that have this role, None in place of all others.

    `equinox.combine` of the selections of all roles is the tree again.
    """
    return eqx.filter(tree, jax.tree.map(lambda own: own == role, _roles(tree)))


def ravel_parameters(
    tree: Tree,
) -> tuple[Float[Array, " p"], Callable[[Float[Array, " p"]], Tree]]:
    """All leaves that are not fixed as one vector, and the function that maps it back.

    As `jax.flatten_util.ravel_pytree`, but fixed leaves are not in the vector; they
    keep their values on the way back.
    """
    is_fixed = jax.tree.map(lambda role: role == FIXED, _roles(tree))
    fixed, parameters = eqx.partition(tree, is_fixed)
    flat, unravel = ravel_pytree(parameters)
    return flat, lambda vector: eqx.combine(unravel(vector), fixed)


def map_parameters(function: Callable[..., Any], tree: Tree, *rest: Any) -> Tree:
    """`jax.tree.map` over the leaves that are not fixed; fixed leaves stay as they are."""
    return jax.tree.map(
        lambda role, leaf, *others: leaf if role == FIXED else function(leaf, *others),
        _roles(tree),
        tree,
        *rest,
    )


def _roles(tree):
    """The role of every leaf, in a tree of the same structure."""

    def of_node(node):
        if not isinstance(node, eqx.Module):
            return PARAMETER
        roles = {}
        for field in dataclasses.fields(node):
            if field.metadata.get("static", False):
                continue
            value, role = getattr(node, field.name), field.metadata.get(_ROLE)
            roles[field.name] = (
                _roles(value) if role is None else jax.tree.map(lambda _: role, value)  # noqa: B023
            )
        return replace(node, **roles)

    return jax.tree.map(
        of_node, tree, is_leaf=lambda node: isinstance(node, eqx.Module)
    )
