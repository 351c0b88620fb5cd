"""Hyper-parameters of a mixture, and the rows that it is fitted to."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._parameters import map_parameters
from battprob._typing import Array, Float, Int
from battprob.models._scaling import Rows
from battprob.models.mixture._experts import AbstractExpert, ProcessExpert
from battprob.models.mixture.gates import AbstractGate
from battprob.priors.base import standard_normal

# Standard deviation of a deviation on the unconstrained (mostly logarithmic) scale:
# variances of two protocols typically differ by a factor of two.
_DEVIATION_STD = 0.5


class MixtureParameters(eqx.Module):
    """Hyper-parameters of an average expert, deviations of each expert, and the gate.

    Args:
        expert: hyper-parameters of an average expert.
        deviations: difference of each expert from the average one, N(0, 1) a priori, with
            the protocols on the first axis; None if all experts have the same
            hyper-parameters.
        gate: p(protocol | x).
    """

    expert: AbstractExpert
    deviations: Any
    gate: AbstractGate

    @property
    def is_process(self) -> bool:
        """Whether experts are Gaussian processes, which cost the cube of the rows."""
        return isinstance(self.expert, ProcessExpert)

    def map_experts(
        self, function: Callable, *arrays: Any, unrolled: bool = False
    ) -> Any:
        """`function(expert, *arrays)` for every expert; arrays have a leading axis k.

        Args:
            function: of one expert and the arrays without their leading axis.
            arrays: pytrees of arrays.
            unrolled: whether the program has a copy of `function` for every expert. It
                takes longer to compile, but second derivatives need it: in a loop, JAX
                ignores the derivative rules of Matérn kernels and returns NaN.
        """

        def one_expert(arguments):
            deviation, *arrays = arguments
            steps = jax.tree.map(lambda leaf: _DEVIATION_STD * leaf, deviation)
            return function(eqx.apply_updates(self.expert, steps), *arrays)

        arguments = (self.deviations, *arrays)
        if not self.is_process:
            return vmapped(one_expert, arguments)
        # Processes one after the other: LAPACK's triangular solves are not batched.
        if not unrolled:
            return jax.lax.map(one_expert, arguments)
        num_experts = len(jax.tree.leaves(arguments)[0])
        results = [
            one_expert(jax.tree.map(lambda leaf: leaf[k], arguments))  # noqa: B023
            for k in range(num_experts)
        ]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)


class MixtureData(NamedTuple):
    """Standardised rows and what is known of their protocols.

    Args:
        rows: standardised rows.
        labels: protocol of each row; -1 if it is unknown.
        active: 1 for the protocols of the mixture, 0 for unused entries of the axis k.
    """

    rows: Rows
    labels: Int[Array, " n"]
    active: Float[Array, " k"]


def initial_parameters(
    expert: AbstractExpert, gate: AbstractGate, num_protocols: int, *, shared: bool
) -> MixtureParameters:
    """Parameters with deviations of zero.

    Args:
        expert: the average expert.
        gate: bound to `num_protocols`.
        num_protocols: length of the axis k.
        shared: whether all experts have the same hyper-parameters.
    """

    def zeros(leaf):
        return jnp.asarray(np.zeros((num_protocols, *leaf.shape), leaf.dtype))

    deviations = None if shared else jax.tree.map(zeros, expert.specific())
    return MixtureParameters(expert, deviations, gate)


def log_prior(parameters: MixtureParameters) -> Float[Array, ""]:
    """Log prior density of all parameters, including those of inactive protocols."""
    density = parameters.expert.log_prior() + parameters.gate.log_prior()
    if parameters.deviations is None:
        return density
    return density + standard_normal(parameters.deviations)


def permuted(parameters: MixtureParameters, order: Int[Array, " k"]):
    """The same mixture with its protocols in this order; some may be left out."""
    deviations, gate = (
        map_parameters(lambda leaf: leaf[order], tree)
        for tree in (parameters.deviations, parameters.gate)
    )
    return MixtureParameters(parameters.expert, deviations, gate)


def vmapped(function: Callable, arrays: Any) -> Any:
    """`jax.vmap` with the arguments of `jax.lax.map`."""
    return jax.vmap(function)(arrays)
