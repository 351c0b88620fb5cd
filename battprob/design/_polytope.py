r"""Smooth ways from unconstrained vectors to the continuous columns of a space.

A search for the best point wants no constraints. Of a box, each coordinate is
$x = l + (h - l)\sin^2(\pi u/2)$: smooth, and the bounds are reached, not approached. Of a
polytope, vectors z from an interior point $x_0$ along its affine hull that leave it are
drawn back to its surface,

    x = x₀ + B z / max(1, g(z)),    g(z) = max_i a_iᵀB z / (b_i - a_iᵀx₀)

with columns of B an orthonormal basis of the hull and a_iᵀx ≤ b_i the constraints.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float


class Box(eqx.Module):
    """Independent bounds."""

    low: Float[Array, " p"]
    width: Float[Array, " p"]

    def point(self, free: Float[Array, " p"]) -> Float[Array, " p"]:
        """The point of an unconstrained vector."""
        return self.low + self.width * jnp.sin(0.5 * jnp.pi * free) ** 2

    def free(self, point: Float[Array, " p"]) -> Float[Array, " p"]:
        """An unconstrained vector of a point."""
        share = jnp.clip((point - self.low) / self.width, 0.0, 1.0)
        return jnp.arcsin(jnp.sqrt(share)) / (0.5 * jnp.pi)


class Polytope(eqx.Module):
    """Bounds, and linear equations and inequalities on top."""

    low: Float[Array, " p"]
    width: Float[Array, " p"]
    centre: Float[Array, " p"]
    basis: Float[Array, "p r"]
    slopes: Float[Array, "c r"]

    def point(self, free: Float[Array, " r"]) -> Float[Array, " p"]:
        """The point of an unconstrained vector."""
        inside = free / jnp.maximum(1.0, jnp.max(self.slopes @ free))
        return self.low + self.width * (self.centre + self.basis @ inside)

    def free(self, point: Float[Array, " p"]) -> Float[Array, " r"]:
        """The unconstrained vector of a point."""
        return ((point - self.low) / self.width - self.centre) @ self.basis


class Linear(NamedTuple):
    """Equations and inequalities on continuous columns: E x = e, A x ≤ b."""

    equal: np.ndarray
    value: np.ndarray
    below: np.ndarray
    limit: np.ndarray


def polytope(low: np.ndarray, high: np.ndarray, linear: Linear) -> Polytope:
    """The polytope, around the centre of the largest ball in it.

    Raises:
        DataError: the constraints leave nothing, or nothing but a surface.
    """
    width = high - low
    eye = np.eye(len(low))
    below = np.concatenate([linear.below * width, eye, -eye])
    limit = np.concatenate(
        [linear.limit - linear.below @ low, np.ones(len(low)), np.zeros(len(low))]
    )
    equal, value = linear.equal * width, linear.value - linear.equal @ low
    basis = _null_space(equal)
    norm = np.linalg.norm(below @ basis, axis=1)
    moves = norm > 1e-9
    centre = _centre(below, limit, norm, equal, value)
    room = limit - below @ centre
    slopes = (below @ basis)[moves] / room[moves, None]
    return Polytope(*map(jnp.asarray, (low, width, centre, basis, slopes)))


def drawn_inside(
    shape: Polytope, x: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rows put into the polytope; those outside to random depths below its surface."""
    low, width, centre, basis, slopes = (np.asarray(leaf) for leaf in _leaves(shape))
    free = ((x - low) / width - centre) @ basis
    gauge = (free @ slopes.T).max(1)
    depth = rng.uniform(size=len(x)) ** (1 / max(basis.shape[1], 1))
    free = free * np.where(gauge > 1, depth / np.maximum(gauge, 1.0), 1.0)[:, None]
    return low + width * (centre + free @ basis.T)


def _leaves(shape):
    return shape.low, shape.width, shape.centre, shape.basis, shape.slopes


def _null_space(equal):
    """Orthonormal directions along which the equations stay true."""
    if len(equal) == 0:
        return np.eye(equal.shape[1])
    _, size, directions = np.linalg.svd(equal)
    rank = int(np.sum(size > 1e-9 * size[0]))
    return directions[rank:].T


def _centre(below, limit, norm, equal, value):
    """Centre of the largest ball within (in coordinates where the box is a unit cube)."""
    from scipy.optimize import linprog

    num = below.shape[1]
    found = linprog(
        np.append(np.zeros(num), -1.0),
        A_ub=np.column_stack([below, norm]),
        b_ub=limit,
        A_eq=np.column_stack([equal, np.zeros(len(equal))]) if len(equal) else None,
        b_eq=value if len(equal) else None,
        bounds=[(None, None)] * num + [(0, None)],
    )
    if found.status != 0 or found.x[-1] < 1e-9:
        raise DataError(
            "the constraints leave no room: no point, or none off their borders, satisfies "
            "them all within the bounds"
        )
    return found.x[:-1]
