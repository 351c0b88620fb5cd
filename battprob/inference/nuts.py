"""No-U-turn sampling: draws from the log joint density, with convergence diagnostics."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np

from battprob._errors import FitError
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Bool, Float, PRNGKey
from battprob.inference.base import AbstractInference
from battprob.inference.map import MAP
from battprob.inference.report import FitReport, stopwatch

_START_STD = 0.5
# Above the usual 0.8, so that steps are shorter: posteriors of scales have funnels.
_TARGET_ACCEPTANCE = 0.9


class NUTS(AbstractInference):
    """Posterior draws by the no-U-turn sampler (NUTS), several chains in parallel.

    Chains start around the mode with a standard deviation of 0.5 (the scale of the priors
    is about one) and adapt the step size and a dense mass matrix during warm-up.

    Args:
        num_samples: number of draws returned, the total of all chains; a multiple of
            `num_chains`.
        num_warmup: adaptation steps of each chain, discarded.
        num_chains: number of chains; each contributes num_samples / num_chains draws.
        mode: how the mode is found.
        thinning: one of every `thinning` draws is returned: each chain takes
            thinning * num_samples / num_chains steps after warm-up, and the diagnostics
            use all of them.

    Raises:
        ValueError: `num_samples` is no multiple of `num_chains`, or is fewer than four for
            each chain.

    Example:
        >>> from battprob.models import BayesianLinear
        >>> model = BayesianLinear(inference=NUTS(num_samples=500))

    References:
        Hoffman and Gelman, J. Mach. Learn. Res. 15 (2014) 1593; R-hat and effective
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
                "num_samples (the total of all chains) must be a multiple of num_chains, "
                f"with at least 4 for each; got num_samples={self.num_samples}, "
                f"num_chains={self.num_chains}"
            )

    def run(self, log_joint, initial, data, *, key, pilot=None, warm_started=None):
        key_mode, *keys = jax.random.split(key, 3)
        mode, mode_report = self.mode.run(
            log_joint,
            initial,
            data,
            key=key_mode,
            pilot=pilot,
            warm_started=warm_started,
        )
        with stopwatch() as watch:
            draws, drawn, diverged = jax.block_until_ready(
                _run_chains(
                    log_joint,
                    mode,
                    data,
                    keys,
                    num_samples=self.num_samples,
                    num_warmup=self.num_warmup,
                    num_chains=self.num_chains,
                    thinning=self.thinning,
                )
            )
        r_hat, ess = diagnose(drawn)
        report = FitReport(
            converged=r_hat < 1.01,
            message=f"largest R-hat {r_hat:.3f}, smallest effective sample size {ess:.0f}",
            steps=drawn.shape[0] * drawn.shape[1],
            r_hat=r_hat,
            ess=ess,
            divergences=int(diverged.sum()),
            seconds_compile=mode_report.seconds_compile + watch.compile,
            seconds_run=mode_report.seconds_run + watch.run,
        )
        if not np.all(np.isfinite(drawn)):
            raise FitError(
                "the sampler reached parameters that are not finite: use Laplace()",
                report,
            )
        return draws, report


@eqx.filter_jit
def _run_chains(
    log_joint, mode, data, keys, *, num_samples, num_warmup, num_chains, thinning
):
    """Draws of the parameters, all draws by chain as vectors, and divergences."""
    key_start, key_chains = keys
    flat, unravel = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], mode))
    shape = (num_chains, flat.size)
    scatter = _START_STD * jax.random.normal(key_start, shape, flat.dtype)
    drawn, diverged = sample(
        lambda vector: log_joint(unravel(vector), data),
        flat[None] + scatter,
        key=key_chains,
        num_warmup=num_warmup,
        num_samples=thinning * num_samples // num_chains,
        dense_mass=True,
        target_accept_prob=_TARGET_ACCEPTANCE,
        max_tree_depth=8,
    )
    kept = drawn[:, thinning - 1 :: thinning].reshape(-1, flat.size)
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
    """Draws of one chain for every start, and which draws are divergent transitions.

    Call it inside `jit`.

    Args:
        log_density: log density of a vector, unnormalised.
        starts: initial vector of every chain.
        key: PRNG key.
        num_warmup: adaptation steps of each chain, discarded.
        num_samples: draws returned of each chain.
        settings: keyword arguments of NumPyro's NUTS kernel.
    """
    from numpyro.infer.hmc import hmc

    initialise, step = hmc(lambda vector: -log_density(vector), algo="NUTS")

    def chain(start, key):
        state = initialise(start, num_warmup, rng_key=key, **settings)

        def advance(state, _):
            state = step(state)
            return state, (state.z, state.diverging)

        # One loop for warm-up and sampling: two would be compiled separately.
        drawn = jax.lax.scan(advance, state, length=num_warmup + num_samples)[1]
        return jax.tree.map(lambda leaf: leaf[num_warmup:], drawn)

    # NumPyro's samplers mix dtypes and ranks that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return jax.vmap(chain)(starts, jax.random.split(key, len(starts)))


def diagnose(drawn: Float[Array, "c s p"]) -> tuple[float, float]:
    """Largest split R-hat and smallest effective sample size over the parameters."""
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    chains = np.asarray(drawn)
    r_hat, ess = split_gelman_rubin(chains), effective_sample_size(chains)
    return float(np.max(r_hat)), float(np.min(ess))
