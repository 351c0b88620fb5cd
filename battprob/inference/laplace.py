"""Laplace's approximation: Gaussian draws around the mode, from the curvature there."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._errors import FitError
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Float
from battprob.inference.base import AbstractInference, LogJoint, Parameters
from battprob.inference.map import MAP
from battprob.inference.report import stopwatch


class Laplace(AbstractInference):
    r"""Draws from $N(\hat\theta, H^{-1})$, H the negative Hessian of the log joint density.

    Draws come in pairs symmetric about the mode, so that their mean is the mode. The
    standard deviation along any eigenvector of H is at most 3, also where the density is
    flat or curves upwards: the priors of all parameters are narrower than that.

    Args:
        num_draws: number of draws in total; even.
        mode: how the mode is found.

    Raises:
        ValueError: `num_draws` is odd or not positive.

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    num_draws: int = eqx.field(default=32, static=True)
    mode: MAP = MAP()

    def __check_init__(self):
        if self.num_draws < 2 or self.num_draws % 2:
            raise ValueError(
                f"num_draws must be even and positive; got {self.num_draws}"
            )

    def run(self, log_joint, initial, data, *, key, pilot=None, warm_started=None):
        key_mode, key_draws = jax.random.split(key)
        mode, report = self.mode.run(
            log_joint,
            initial,
            data,
            key=key_mode,
            pilot=pilot,
            warm_started=warm_started,
        )
        with stopwatch() as watch:
            flat = ravel_parameters(mode)[0]
            shape = (self.num_draws // 2, flat.size)
            half = jax.random.normal(key_draws, shape, flat.dtype)
            draws, _ = jax.block_until_ready(
                gaussian_draws(log_joint, mode, data, half)
            )
        if not jnp.all(jnp.isfinite(ravel_pytree(draws)[0])):
            message = "the log density has no finite curvature at its mode: use MAP()"
            raise FitError(message, report)
        report = dataclasses.replace(
            report,
            seconds_compile=report.seconds_compile + watch.compile,
            seconds_run=report.seconds_run + watch.run,
        )
        return draws, report


@eqx.filter_jit
def gaussian_draws(
    log_joint: LogJoint, mode: Parameters, data: Any, half: Float[Array, "h p"]
) -> tuple[Parameters, Float[Array, ""]]:
    """Draws of Laplace's approximation, and its log evidence.

    Args:
        log_joint: (parameters, data) -> scalar.
        mode: the mode, with a leading axis of one draw.
        data: arrays that the density depends on.
        half: standard normal numbers for half of the draws; the other half are their
            mirror images.
    """
    flat, unravel = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], mode))
    hessian = jax.hessian(lambda vector: -log_joint(unravel(vector), data))(flat)
    curvature, axes = jnp.linalg.eigh(0.5 * (hessian + hessian.T))
    # A flat or saddle direction has less curvature than the priors, whose
    # standard deviations are of order one.
    scale = 1 / jnp.sqrt(jnp.maximum(curvature, _WEAKEST_PRIOR))
    scale = jnp.where(jnp.all(jnp.isfinite(hessian)), scale, jnp.nan)
    steps = (jnp.concatenate([half, -half]) * scale[None]) @ axes.T
    volume = jnp.sum(jnp.log(scale)) + 0.5 * flat.size * jnp.log(2 * jnp.pi)
    log_evidence = log_joint(unravel(flat), data) + volume
    return jax.vmap(unravel)(flat[None] + steps), log_evidence.astype(flat.dtype)


_WEAKEST_PRIOR = 1 / 3.0**2  # precision of a normal prior of standard deviation 3
