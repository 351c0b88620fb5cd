"""Stochastic variational inference: the Gaussian that maximises the evidence bound."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from tqdm import tqdm

from battprob._errors import FitError
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Float
from battprob.inference.base import AbstractInference
from battprob.inference.map import MAP
from battprob.inference.report import FitReport, stopwatch

_CHUNK = 100  # steps in one compiled call, after which the progress bar moves
_RATE = 0.02


class SVI(AbstractInference):
    r"""Draws from the Gaussian $q = N(m, LL^\top)$ that maximises the evidence bound.

    $$E_{\theta\sim q} \log p(y, \theta) + \log |L| + \text{const} \le \log p(y)$$

    is maximised by Adam on draws of q, with a step size that decreases to zero (cosine).
    It costs less than `NUTS`. Unlike `Laplace` it fits the region of large posterior mass
    and not only the mode. Approximations of skewed posteriors are too narrow.

    Args:
        num_draws: number of draws in total; even: they are symmetric about the mean.
        num_steps: optimisation steps, rounded up to a multiple of 100.
        num_samples: draws of q in each step; even.
        mode: how the initial mean is found.
        progress: show a progress bar on terminals.

    Raises:
        ValueError: `num_draws` or `num_samples` is odd or not positive.

    References:
        Kucukelbir et al., J. Mach. Learn. Res. 18 (2017) 14, section 2.
    """

    num_draws: int = eqx.field(default=200, static=True)
    num_steps: int = eqx.field(default=2000, static=True)
    num_samples: int = eqx.field(default=8, static=True)
    mode: MAP = MAP(num_starts=1)
    progress: bool = eqx.field(default=True, static=True)

    def __check_init__(self):
        for name in ("num_draws", "num_samples"):
            value = getattr(self, name)
            if value < 2 or value % 2:
                raise ValueError(f"{name} must be even and positive; got {value}")

    def run(self, log_joint, initial, data, *, key, pilot=None, warm_started=None):
        key_mode, key_steps, key_draws = jax.random.split(key, 3)
        mode, mode_report = self.mode.run(
            log_joint,
            initial,
            data,
            key=key_mode,
            pilot=pilot,
            warm_started=warm_started,
        )
        num_chunks = -(-self.num_steps // _CHUNK)
        with stopwatch() as watch:
            state = _initial_state(mode, num_chunks)
            bounds = []
            keys = jax.random.split(key_steps, num_chunks)
            for chunk_key in tqdm(keys, "svi", disable=None if self.progress else True):
                state, bound = _run_chunk(
                    log_joint,
                    mode,
                    data,
                    state,
                    chunk_key,
                    self.num_samples,
                    num_chunks,
                )
                bounds.append(float(bound))
            draws = jax.block_until_ready(
                _draws(mode, state.approximation, key_draws, self.num_draws)
            )
        gain = bounds[-1] - bounds[max(len(bounds) - 4, 0)]
        report = FitReport(
            converged=bool(abs(gain) < _MAX_GAIN),
            message=f"evidence bound {bounds[-1]:.2f}, {gain:+.2g} in the last steps",
            steps=mode_report.steps + num_chunks * _CHUNK * self.num_samples,
            seconds_compile=mode_report.seconds_compile + watch.compile,
            seconds_run=mode_report.seconds_run + watch.run,
        )
        if not jnp.all(jnp.isfinite(ravel_pytree(draws)[0])):
            raise FitError("the evidence bound is not finite: use NUTS()", report)
        return draws, report


class _Approximation(NamedTuple):
    """Mean, and a matrix whose lower triangle is L, its diagonal as logarithms."""

    mean: Float[Array, " p"]
    raw: Float[Array, "p p"]


class _State(NamedTuple):
    approximation: _Approximation
    optimiser: Any


def _root(approximation):
    raw = approximation.raw
    return jnp.tril(raw, -1) + jnp.diag(jnp.exp(jnp.diagonal(raw)))


def _optimiser(num_chunks):
    import optax

    return optax.adam(optax.cosine_decay_schedule(_RATE, num_chunks * _CHUNK))


@eqx.filter_jit
def _initial_state(mode, num_chunks):
    mean = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], mode))[0]
    raw = jnp.log(0.3) * jnp.eye(mean.size, dtype=mean.dtype)
    approximation = _Approximation(mean, raw)
    return _State(approximation, _optimiser(num_chunks).init(approximation))


@eqx.filter_jit
def _run_chunk(log_joint, mode, data, state, key, num_samples, num_chunks):
    """The state after 100 steps, and the mean of the evidence bound over them."""
    unravel = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], mode))[1]
    optimiser = _optimiser(num_chunks)

    def loss(approximation, key):
        vectors = _symmetric_draws(approximation, key, num_samples)
        density = jax.vmap(lambda vector: log_joint(unravel(vector), data))(vectors)
        log_volume = jnp.sum(jnp.diagonal(approximation.raw))
        constant = approximation.mean.size * (1 + jnp.log(2 * jnp.pi)) / 2
        return -jnp.mean(density) - log_volume - constant

    def step(state, key):
        value, gradient = jax.value_and_grad(loss)(state.approximation, key)
        # One draw outside the support of the density must not end the optimisation.
        finite = jnp.isfinite(ravel_pytree(gradient)[0]).all()
        gradient = jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0.0), gradient)
        change, optimiser_state = optimiser.update(gradient, state.optimiser)
        approximation = jax.tree.map(jnp.add, state.approximation, change)
        return _State(approximation, optimiser_state), -value

    # Optax mixes ranks and dtypes that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        state, bound = jax.lax.scan(step, state, jax.random.split(key, _CHUNK))
    return state, jnp.mean(bound)


@eqx.filter_jit
def _draws(mode, approximation, key, num_draws):
    unravel = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], mode))[1]
    return jax.vmap(unravel)(_symmetric_draws(approximation, key, num_draws))


def _symmetric_draws(approximation, key, num):
    """Draws in pairs symmetric about the mean, so that their mean has no sampling error."""
    mean = approximation.mean
    half = jax.random.normal(key, (num // 2, mean.size), mean.dtype)
    return mean[None] + jnp.concatenate([half, -half]) @ _root(approximation).T


_MAX_GAIN = 0.5  # of the bound over the last chunks, in nats
