"""Joint density of parameters and noise model, and its Laplace approximation.

If the errors are not Gaussian, the variance scale does not integrate out in closed
form. The unconstrained parameters z, the noise logits η and log s² are then maximised
over jointly, and the curvature at the maximum is their precision. Sigma points in η
carry the uncertainty of η into the mixture that describes the posterior.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.bfgs import minimise
from battprob._typing import Array, Bool, Complex, Float
from battprob.eis._gaussian_mixture import GaussianMixture
from battprob.eis._identifiability import decade_cost
from battprob.eis._marginal import scale_nodes
from battprob.eis._unconstrained import to_values
from battprob.eis.problem import Problem
from battprob.eis.variance import logit_bounds, relative_variance

# Relative to the whitened coordinates, in which the prior curvature is about one: a
# direction without any information gets a very wide but finite Gaussian.
_LEAST_CURVATURE = 1e-8


class Joint(NamedTuple):
    """Log density of a spectrum in whitened coordinates.

    Attributes:
        log_density: log joint density at a whitened position.
        to_natural: position -> (z, ξ, log s²), where ξ is the logit of η in its box.
        to_logits: ξ -> η.
        size: number of coordinates.
    """

    log_density: Callable[[Float[Array, " d"]], Float[Array, ""]]
    to_natural: Callable[[Float[Array, " d"]], tuple[Array, Array, Array]]
    to_logits: Callable[[Float[Array, " q"]], Float[Array, " q"]]
    size: int


def joint_density(
    problem: Problem,
    measured: Array,
    impedance: Complex[Array, " f"],
    mixture: GaussianMixture,
) -> Joint:
    """The joint density of one spectrum, whitened by an approximate posterior.

    Args:
        problem: circuit and error model.
        measured: recorded values of this spectrum.
        impedance: approximate impedances in ohm.
        mixture: approximate posterior, from the Gaussian fit.
    """
    box = logit_bounds(problem.noise, impedance, problem.frequency_hz)

    def to_logits(xi):
        return box[0] + (box[1] - box[0]) * jax.nn.sigmoid(xi)

    to_natural = _coordinates(problem, mixture, box, to_logits)

    def log_density(position):
        z, xi, log_scale = to_natural(position)
        fraction = jax.nn.sigmoid(xi)
        prior_dof = problem.noise.prior_degrees_of_freedom()
        deviation = (z - mixture.prior_mean) / mixture.prior_sd
        log_prior = jnp.sum(deviation**2 + jnp.log(2 * jnp.pi * mixture.prior_sd**2))
        return (
            log_likelihood(problem, measured, z, to_logits(xi), jnp.exp(log_scale))
            - 0.5 * prior_dof * (log_scale + jnp.exp(-log_scale))
            # Jacobian of the sigmoid: η is uniform in its box.
            + jnp.sum(jnp.log(fraction) + jnp.log1p(-fraction))
            - 0.5 * log_prior
        )

    size = mixture.location.shape[-1] + mixture.logits.shape[-1] + 1
    return Joint(log_density, to_natural, to_logits, size)


def log_likelihood(
    problem: Problem,
    measured: Array,
    z: Float[Array, " p"],
    logits: Float[Array, " q"],
    variance_scale: Float[Array, ""],
) -> Float[Array, ""]:
    """Log density of the recorded values given parameters and noise model."""
    parameters = tuple(problem.network.free_parameters.values())
    omega = 2 * jnp.pi * problem.frequency_hz
    mean = problem.network.evaluate(to_values(z, parameters), omega)
    h = relative_variance(problem.noise, logits, mean, problem.frequency_hz)
    return problem.likelihood.log_prob(measured, mean, variance_scale * h).sum()


def _coordinates(problem, mixture, box, to_logits):
    """The map from a whitened position to (z, ξ, log s²).

    Each part is affine given the parts before it, with constant slopes, so that the
    Jacobian is constant. log s² is measured from its usual value for the same η,
    because s² and η would otherwise be strongly correlated.
    """
    weight = jnp.exp(mixture.log_weight).sum(1)
    best = jnp.argmax(weight)
    scale = jnp.sum(weight * mixture.variance_scale.mean(1))
    root = jnp.linalg.cholesky(scale * mixture.covariance[best])
    centre = mixture.location[best]
    fraction = (mixture.logits - box[0][None]) / (box[1] - box[0])[None]
    xi = jnp.log(fraction) - jnp.log1p(-fraction)
    xi_mean = weight @ xi
    xi_sd = jnp.sqrt(weight @ (xi - xi_mean[None]) ** 2 + 0.1**2)
    parameters = tuple(problem.network.free_parameters.values())
    omega = 2 * jnp.pi * problem.frequency_hz
    mean = problem.network.evaluate(to_values(centre, parameters), omega)

    def h(logits):
        return relative_variance(problem.noise, logits, mean, problem.frequency_hz)

    best_h = h(mixture.logits[best])
    degrees_of_freedom = 2 * omega.size + problem.noise.prior_degrees_of_freedom()

    def to_natural(position):
        split = np.array([centre.size, centre.size + xi_mean.size])
        z, xi, log_scale = jnp.split(position, split)
        xi = xi_mean + xi_sd * xi
        usual = jnp.log(scale) + jnp.log(jnp.mean(best_h / h(to_logits(xi))))
        # √(2/ν) is the standard deviation of log s².
        log_scale = usual + jnp.sqrt(2 / degrees_of_freedom) * log_scale[0]
        return centre + root @ z, xi, log_scale

    return to_natural


@eqx.filter_jit
def laplace_batch(
    problem: Problem, mixture: GaussianMixture
) -> tuple[GaussianMixture, Bool[Array, " n"]]:
    """Laplace approximation of every spectrum, started at `mixture`."""
    one = partial(_laplace_one, problem)
    return jax.vmap(one)(problem.measured, problem.impedance, mixture)


def _laplace_one(problem, measured, impedance, mixture):
    joint = joint_density(problem, measured, impedance, mixture)
    start = jnp.zeros(joint.size, mixture.location.dtype)
    mode = minimise(lambda x: -joint.log_density(x), start)
    value, axes = jnp.linalg.eigh(-jax.hessian(joint.log_density)(mode.x))
    value = jnp.maximum(value, _LEAST_CURVATURE)

    def natural(position):
        z, xi, log_scale = joint.to_natural(position)
        return jnp.concatenate([z, xi, log_scale[None]])

    jacobian = jax.jacfwd(natural)(mode.x) @ axes
    covariance = (jacobian / value[None]) @ jacobian.T
    log_evidence = -mode.value + 0.5 * jnp.sum(jnp.log(2 * jnp.pi / value))
    log_evidence = log_evidence + jnp.linalg.slogdet(jacobian)[1]
    fields = _sigma_points(natural(mode.x), covariance, mixture, joint.to_logits)

    def likelihood(z):
        logits, scale = fields["logits"][0], fields["variance_scale"][0].mean()
        return log_likelihood(problem, measured, z, logits, scale)

    changes = {
        "log_evidence": log_evidence,
        "decade_cost": decade_cost(
            likelihood, fields["location"][0], fields["covariance"][0]
        ),
        # The test of residuals is of complex impedances only.
        "residual_correlation": mixture.residual_correlation
        * float(jnp.iscomplexobj(measured)),
    }
    return GaussianMixture(**(fields | changes)), mode.converged


def _sigma_points(centre, covariance, mixture, to_logits):
    """Mixture over sigma points 0 and ±√(q+1) in each direction of ξ.

    Their mean and covariance are exact; z is conditioned on ξ at every point.
    """
    p, q = mixture.location.shape[-1], mixture.logits.shape[-1]
    inner = slice(p, p + q)
    root = jnp.linalg.cholesky(covariance[inner, inner])
    eye = np.sqrt(q + 1.0) * np.eye(q)
    point = jnp.asarray(np.concatenate([np.zeros((1, q)), eye, -eye]), centre.dtype)
    weight = np.full(2 * q + 1, 0.5 / (q + 1))
    weight[0] = 1 / (q + 1)
    gain = jax.scipy.linalg.solve_triangular(root, covariance[inner], lower=True)
    moved = centre[None] + point @ gain
    conditional = covariance - gain.T @ gain
    degrees_of_freedom = jnp.full(len(point), 2 / conditional[-1, -1])
    scale, log_node_weight = scale_nodes(jnp.exp(moved[:, -1]), degrees_of_freedom)
    of_z = jnp.broadcast_to(conditional[:p, :p], (len(point), p, p))
    log_weight = jnp.log(jnp.asarray(weight, centre.dtype))[:, None]
    return {
        "location": moved[:, :p],
        "covariance": of_z / scale.mean(1)[:, None, None],
        "logits": jax.vmap(to_logits)(moved[:, inner]),
        "variance_scale": scale,
        "log_weight": log_weight + log_node_weight[None],
        "prior_mean": mixture.prior_mean,
        "prior_sd": mixture.prior_sd,
    }
