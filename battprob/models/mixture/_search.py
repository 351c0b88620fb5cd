"""From a dataset to the best shares and hyper-parameters, protocols in their stated order."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from battprob._numerics.linear_algebra import cholesky_solve
from battprob._parameters import PARAMETER, ravel_parameters, select
from battprob._random import generator
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.inference.laplace import gaussian_draws
from battprob.models.mixture._bound import (
    MixtureData,
    MixtureParameters,
    functions,
    log_joint,
    permuted,
    shares_of_new_rows,
)
from battprob.models.mixture._em import best_start, to_the_top
from battprob.models.mixture._experts import AbstractExpert
from battprob.models.mixture.gates import AbstractGate


class Found(NamedTuple):
    """The best of all starts: its protocols in order, and what it says of the rows.

    `log_evidence` is the bound with hyper-parameters integrated out to second order, and
    with all the orders that its `free` protocols, those of no known row, could stand in.
    """

    parameters: MixtureParameters
    draws: MixtureParameters
    data: MixtureData
    share: Float[Array, "k n"]
    free: tuple[int, ...]
    log_evidence: float
    converged: bool
    steps: int


def initial(
    expert: AbstractExpert, gate: AbstractGate, num_protocols: int, *, shared: bool
) -> MixtureParameters:
    """Every expert as the one given."""

    def of_each(leaf):
        return jnp.asarray(np.zeros((num_protocols, *leaf.shape), leaf.dtype))

    departures = None
    if not shared:
        varying = select(eqx.filter(expert, expert.varies()), PARAMETER)
        departures = jax.tree.map(of_each, varying)
    return MixtureParameters(expert, departures, gate)


def search(
    parameters: MixtureParameters,
    data: MixtureData,
    num_protocols: int,
    normals: Float[Array, "h p"],
    *,
    key: PRNGKey,
    num_starts: int,
) -> Found:
    """The best mixture of the first `num_protocols` that there is room for.

    `normals` are what draws of the hyper-parameters are made of, as many as there are
    and once more for the slopes in common.
    """
    active = np.arange(len(data.active)) < num_protocols
    data = data._replace(active=jnp.asarray(active, data.rows.y.dtype))
    key_pilot, key_starts = jax.random.split(key)
    most = _PILOT_ROWS_OF_PROCESSES if parameters.is_process else _PILOT_ROWS
    pilot = _pilot(data, most, key_pilot)
    first = best_start(
        parameters, data if pilot is None else pilot, key_starts, num_starts
    )
    share = first.share
    if pilot is not None:
        share = shares_of_new_rows(first.parameters, pilot, share, data)
    top = to_the_top(first.parameters, data, share)
    draws, log_evidence = around(top.parameters, data, top.share, normals)
    order, free = _order(top, data, num_protocols)
    order = jnp.asarray(order, int)
    return Found(
        permuted(top.parameters, order),
        jax.vmap(lambda own: permuted(own, order))(draws),
        data._replace(active=data.active[order]),
        top.share[order],
        free,
        float(log_evidence) + math.lgamma(len(free) + 1),
        bool(top.converged),
        int(first.steps) + int(top.steps),
    )


def around(
    parameters: MixtureParameters,
    data: MixtureData,
    share: Float[Array, "k n"],
    normals: Float[Array, "h p"],
) -> tuple[MixtureParameters, Float[Array, ""]]:
    """Draws of hyper-parameters for given shares, and the evidence for one order.

    Kernels stay at their mode in all draws, as those of a `GaussianProcess` do. The slopes
    that linear experts have in common are drawn from their law given all else of a draw:
    elsewhere they would be those of other scales.
    """
    mode = jax.tree.map(lambda leaf: leaf[None], parameters)
    half = normals[:, : ravel_parameters(parameters)[0].size]
    draws, log_evidence = gaussian_draws(log_joint, mode, (data, share), half)
    if parameters.is_process:
        draws = _with_kernels(draws, parameters)
    else:
        draws = _with_common_slopes(draws, (data, share), normals)
    return draws, log_evidence


@eqx.filter_jit
def _with_common_slopes(draws, data, normals):
    """Draws with slopes from N(H⁻¹g, H⁻¹), g and -H what the log density has at nought."""

    def slopes(own):
        return own.expert.common.slopes

    def one(own):
        draw, normal = own

        def density(z):
            return log_joint(eqx.tree_at(slopes, draw, z), data)

        origin = jnp.zeros_like(normal)
        precision = -jax.hessian(density)(origin)
        factor = jnp.linalg.cholesky(precision)
        mean = cholesky_solve(factor, jax.grad(density)(origin))
        step = solve_triangular(factor, normal, lower=True, trans=1)
        return eqx.tree_at(slopes, draw, mean + step)

    half = normals[:, -slopes(draws).shape[1] :]
    return jax.lax.map(one, (draws, jnp.concatenate([half, -half])))


def _with_kernels(draws, mode):
    """Draws whose kernels are all those of the mode."""

    def kernels(own):
        alike = own.departures is None
        return [own.expert.kernel] + ([] if alike else [own.departures.kernel])

    fixed = jax.tree.map(
        lambda own, drawn: jnp.broadcast_to(own, drawn.shape),
        kernels(mode),
        kernels(draws),
    )
    return eqx.tree_at(kernels, draws, fixed)


def _pilot(data, most, key):
    """Some of the rows, drawn at random; None where all are few."""
    real = np.flatnonzero(data.rows.mask)
    if len(real) <= most:
        return None
    chosen = generator(key).choice(real, most, replace=False)
    rows, labels = jax.tree.map(
        lambda column: jnp.asarray(np.asarray(column)[chosen]), (data.rows, data.labels)
    )
    return MixtureData(rows, labels, data.active)


def _order(top, data, num) -> tuple[Int[np.ndarray, " k"], tuple[int, ...]]:
    """Protocols with known rows in their places, the others by their mean between them."""
    mean, _ = functions(top.parameters, data, top.share)
    mean = np.asarray(mean)[:, np.asarray(data.rows.mask)].mean(1)
    known = np.unique(np.asarray(data.labels))
    free = np.setdiff1d(np.arange(num), known)
    order = np.arange(num)
    order[free] = free[np.argsort(mean[free], kind="stable")]
    return order, tuple(free.tolist())


_PILOT_ROWS, _PILOT_ROWS_OF_PROCESSES = 192, 96
