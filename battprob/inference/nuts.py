"""No-U-turn sampling: draws from the log joint itself, checked by several chains."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from battprob._errors import FitError
from battprob._typing import Array, Bool, Float, PRNGKey
from battprob.inference.base import AbstractInference
from battprob.inference.map import MAP
from battprob.inference.report import FitReport, stopwatch

_START_SPREAD = 0.5
_ACCEPTED = 0.9  # shorter steps than usual: scales make funnels


class NUTS(AbstractInference):
    """Draws of the parameters by the no-U-turn sampler, chains side by side.

    Chains start scattered about the mode by half a unit (the priors' own scale is about
    one) and learn a dense mass matrix while they warm up.

    Args:
        num_samples: draws kept, of all chains together.
        num_warmup: steps of adaptation of each chain, thrown away.
        num_chains: chains; they share the `num_samples` evenly.
        mode: how the mode is found.
        thinning: every how-manieth draw is kept; the report is on all.

    Example:
        >>> from battprob.models import BayesianLinear
        >>> model = BayesianLinear(inference=NUTS(num_samples=500))

    References:
        Hoffman and Gelman, J. Mach. Learn. Res. 15 (2014) 1593; r-hat and effective
        sample size as in Gelman et al., Bayesian Data Analysis (2013), section 11.4.
    """

    num_samples: int = eqx.field(default=400, static=True)
    num_warmup: int = eqx.field(default=300, static=True)
    num_chains: int = eqx.field(default=4, static=True)
    mode: MAP = MAP()
    thinning: int = eqx.field(default=1, static=True)

    def __check_init__(self):
        if self.num_samples < 4 * self.num_chains or self.num_samples % self.num_chains:
            raise ValueError(
                "num_samples must be a multiple of num_chains, at least four for each: "
                f"got {self.num_samples} of {self.num_chains} chains"
            )

    def run(self, log_joint, initial, data, *, key, pilot=None, remembering=None):
        key_mode, *keys = jax.random.split(key, 3)
        mode, found = self.mode.run(
            log_joint,
            initial,
            data,
            key=key_mode,
            pilot=pilot,
            remembering=remembering,
        )
        with stopwatch() as watch:
            draws, drawn, diverged = jax.block_until_ready(
                _run_chains(log_joint, mode, data, keys, self)
            )
        r_hat, ess = diagnose(drawn)
        report = FitReport(
            converged=r_hat < 1.01,
            message=f"largest r-hat {r_hat:.3f}, smallest effective sample {ess:.0f}",
            steps=drawn.shape[0] * drawn.shape[1],
            r_hat=r_hat,
            ess=ess,
            divergences=int(diverged.sum()),
            seconds_compile=found.seconds_compile + watch.compile,
            seconds_run=found.seconds_run + watch.run,
        )
        if not np.all(np.isfinite(drawn)):
            raise FitError("the sampler left finite densities: use Laplace()", report)
        return draws, report


@eqx.filter_jit
def _run_chains(log_joint, mode, data, keys, settings):
    """Draws of the parameters, the same by chain as vectors, and where it diverged."""
    key_start, key_chains = keys
    flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], mode))
    shape = (settings.num_chains, flat.size)
    scatter = _START_SPREAD * jax.random.normal(key_start, shape, flat.dtype)
    drawn, diverged = sample(
        lambda vector: log_joint(unravel(vector), data),
        flat[None] + scatter,
        key=key_chains,
        num_warmup=settings.num_warmup,
        num_samples=settings.thinning * settings.num_samples // settings.num_chains,
        dense_mass=True,
        target_accept_prob=_ACCEPTED,
        max_tree_depth=8,
    )
    kept = drawn[:, settings.thinning - 1 :: settings.thinning].reshape(-1, flat.size)
    return jax.vmap(unravel)(kept), drawn, diverged


def sample(
    log_density: Callable[[Float[Array, " p"]], Float[Array, ""]],
    starts: Float[Array, "c p"],
    *,
    key: PRNGKey,
    num_warmup: int,
    num_samples: int,
    **settings: Any,
) -> tuple[Float[Array, "c s p"], Bool[Array, "c s"]]:
    """Draws of one chain from every start, and which of them ended in a divergence.

    To be called inside of `jit`. `settings` are those of NumPyro's kernel.
    """
    from numpyro.infer.hmc import hmc

    begin, step = hmc(lambda vector: -log_density(vector), algo="NUTS")

    def chain(start, key):
        state = begin(start, num_warmup, rng_key=key, **settings)

        def advance(state, _):
            state = step(state)
            return state, (state.z, state.diverging)

        # One loop: a second one for the warm-up would be compiled a second time.
        drawn = jax.lax.scan(advance, state, length=num_warmup + num_samples)[1]
        return jax.tree.map(lambda leaf: leaf[num_warmup:], drawn)

    # NumPyro's samplers mix dtypes and ranks that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return jax.vmap(chain)(starts, jax.random.split(key, len(starts)))


def diagnose(drawn: Float[Array, "c s p"]) -> tuple[float, float]:
    """Largest split r-hat and smallest effective sample size over the parameters."""
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    chains = np.asarray(drawn)
    return float(np.max(split_gelman_rubin(chains))), float(
        np.min(effective_sample_size(chains))
    )
