"""The joint density of parameters and noise, and Laplace's approximation to it.

Where the recordings are not Gaussian the noise level does not integrate out in closed
form. Parameters z, the logit η of the noise shape in its box and the log level are then
maximised over together, and the curvature there is their precision. A few sigma points
carry the uncertainty of the shape into the mixture that a posterior is made of.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.bfgs import minimise
from battprob._typing import Array, Bool, Complex, Float
from battprob.eis._identify import decade_cost
from battprob.eis._marginal import level_nodes
from battprob.eis._nodes import Nodes
from battprob.eis._scales import to_values
from battprob.eis.variance import relative_variance, shape_box

_LEAST_CURVATURE = 1e-8  # of the start: a direction that says nothing stays wide


class Joint(NamedTuple):
    """The log density of a spectrum in coordinates of about unit spread."""

    log_density: Callable[[Float[Array, " d"]], Float[Array, ""]]
    unwhiten: Callable[[Float[Array, " d"]], tuple[Array, Array, Array]]
    to_shape: Callable[[Float[Array, " q"]], Float[Array, " q"]]
    size: int


def joint(
    task, measured: Array, impedance: Complex[Array, " f"], nodes: Nodes
) -> Joint:
    """The joint density of one spectrum, whitened by an approximate posterior of it."""
    box = shape_box(task.noise, impedance, task.frequency_hz)

    def to_shape(eta):
        return box[0] + (box[1] - box[0]) * jax.nn.sigmoid(eta)

    unwhiten = _coordinates(task, nodes, box, to_shape)

    def log_density(position):
        z, eta, log_level = unwhiten(position)
        share = jax.nn.sigmoid(eta)
        known = task.noise.level_known()
        away = (z - nodes.prior_mean) / nodes.prior_sd
        return (
            log_likelihood(task, measured, z, to_shape(eta), jnp.exp(log_level))
            - 0.5 * known * (log_level + jnp.exp(-log_level))
            + jnp.sum(jnp.log(share) + jnp.log1p(-share))
            - 0.5 * jnp.sum(away**2 + jnp.log(2 * jnp.pi * nodes.prior_sd**2))
        )

    size = nodes.location.shape[-1] + nodes.shape.shape[-1] + 1
    return Joint(log_density, unwhiten, to_shape, size)


def log_likelihood(
    task, measured: Array, z: Float[Array, " p"], shape: Float[Array, " q"], level
) -> Float[Array, ""]:
    """Log density of the recordings given parameters and noise."""
    parameters = tuple(task.network.free_parameters.values())
    omega = 2 * jnp.pi * task.frequency_hz
    mean = task.network.evaluate(to_values(z, parameters), omega)
    h = relative_variance(task.noise, shape, mean, task.frequency_hz)
    return task.likelihood.log_prob(measured, mean, level * h).sum()


def _coordinates(task, nodes, box, to_shape):
    """From a position of unit spread to parameters, logit of the shape and log level.

    Affine in each given those before it, with constant slopes, so that no Jacobian is
    due. The level is counted from the usual one for the shape: the two would be tied.
    """
    weight = jnp.exp(nodes.log_weight).sum(1)
    best = jnp.argmax(weight)
    level = jnp.sum(weight * nodes.level.mean(1))
    root = jnp.linalg.cholesky(level * nodes.covariance[best])
    centre = nodes.location[best]
    share = (nodes.shape - box[0][None]) / (box[1] - box[0])[None]
    logit = jnp.log(share) - jnp.log1p(-share)
    middle = weight @ logit
    spread = jnp.sqrt(weight @ (logit - middle[None]) ** 2 + 0.1**2)
    parameters = tuple(task.network.free_parameters.values())
    omega = 2 * jnp.pi * task.frequency_hz
    mean = task.network.evaluate(to_values(centre, parameters), omega)

    def h(shape):
        return relative_variance(task.noise, shape, mean, task.frequency_hz)

    best_h, freedom = h(nodes.shape[best]), 2 * omega.size + task.noise.level_known()

    def unwhiten(position):
        split = np.array([centre.size, centre.size + middle.size])
        z, eta, log_level = jnp.split(position, split)
        eta = middle + spread * eta
        usual = jnp.log(level) + jnp.log(jnp.mean(best_h / h(to_shape(eta))))
        return centre + root @ z, eta, usual + jnp.sqrt(2 / freedom) * log_level[0]

    return unwhiten


@eqx.filter_jit
def laplace_batch(task, nodes: Nodes) -> tuple[Nodes, Bool[Array, " n"]]:
    """Laplace's approximation of every spectrum, begun at `nodes`."""
    one = lambda *own: _laplace_one(task, *own)  # noqa: E731
    return jax.vmap(one)(task.measured, task.impedance, nodes)


def _laplace_one(task, measured, impedance, nodes):
    density = joint(task, measured, impedance, nodes)
    start = jnp.zeros(density.size, nodes.location.dtype)
    top = minimise(lambda x: -density.log_density(x), start)
    value, axes = jnp.linalg.eigh(-jax.hessian(density.log_density)(top.x))
    value = jnp.maximum(value, _LEAST_CURVATURE)

    def flat(position):
        z, eta, log_level = density.unwhiten(position)
        return jnp.concatenate([z, eta, log_level[None]])

    slope = jax.jacfwd(flat)(top.x) @ axes
    covariance = (slope / value[None]) @ slope.T
    log_evidence = -top.value + 0.5 * jnp.sum(jnp.log(2 * jnp.pi / value))
    log_evidence = log_evidence + jnp.linalg.slogdet(slope)[1]
    mixture = _sigma_points(flat(top.x), covariance, nodes, density.to_shape)

    def likelihood(z):
        shape, level = mixture["shape"][0], mixture["level"][0].mean()
        return log_likelihood(task, measured, z, shape, level)

    changes = {
        "log_evidence": log_evidence,
        "decade_cost": decade_cost(
            likelihood, mixture["location"][0], mixture["covariance"][0]
        ),
        "residual_correlation": nodes.residual_correlation
        * float(jnp.iscomplexobj(measured)),
    }
    return Nodes(**(mixture | changes)), top.converged


def _sigma_points(centre, covariance, nodes, to_shape):
    """Nodes 0 and ±√(q+1) of each direction of η: mean and covariance are exact."""
    p, q = nodes.location.shape[-1], nodes.shape.shape[-1]
    inner = slice(p, p + q)
    root = jnp.linalg.cholesky(covariance[inner, inner])
    eye = np.sqrt(q + 1.0) * np.eye(q)
    point = jnp.asarray(np.concatenate([np.zeros((1, q)), eye, -eye]), centre.dtype)
    weight = np.full(2 * q + 1, 0.5 / (q + 1))
    weight[0] = 1 / (q + 1)
    pull = jax.scipy.linalg.solve_triangular(root, covariance[inner], lower=True)
    moved = centre[None] + point @ pull
    rest = covariance - pull.T @ pull
    freedom = jnp.full(len(point), 2 / rest[-1, -1])
    level, log_share = level_nodes(jnp.exp(moved[:, -1]), freedom)
    conditional = jnp.broadcast_to(rest[:p, :p], (len(point), p, p))
    log_weight = jnp.log(jnp.asarray(weight, centre.dtype))[:, None] + log_share[None]
    return {
        "location": moved[:, :p],
        "covariance": conditional / level.mean(1)[:, None, None],
        "shape": jax.vmap(to_shape)(moved[:, inner]),
        "level": level,
        "log_weight": log_weight,
        "prior_mean": nodes.prior_mean,
        "prior_sd": nodes.prior_sd,
    }
