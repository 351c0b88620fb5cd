"""Stochastic variational inference: the Gaussian that is nearest to the posterior."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from tqdm import tqdm

from battprob._errors import FitError
from battprob._typing import Array, Float
from battprob.inference.base import AbstractInference
from battprob.inference.map import MAP
from battprob.inference.report import FitReport, stopwatch

_CHUNK = 100
_RATE = 0.02


class SVI(AbstractInference):
    r"""Draws from the Gaussian $q = N(m, LL^\top)$ that maximises the evidence bound.

    $$E_{\theta\sim q} \log p(y, \theta) + \log |L| \le \log p(y),$$

    climbed by Adam on draws of q, the step falling to nothing (a cosine). It costs less
    than `NUTS` and, unlike `Laplace`, fits where the mass is and not only the mode;
    skewed posteriors come out too narrow.

    Args:
        num_draws: how many draws; even: they are mirrored at the mean.
        num_steps: steps, rounded up to hundreds.
        num_samples: draws of q in each step; even.
        mode: where it starts.
        progress: show a bar on terminals.

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

    def run(self, log_joint, initial, data, *, key, pilot=None, remembering=None):
        key_mode, key_steps, key_draws = jax.random.split(key, 3)
        mode, found = self.mode.run(
            log_joint,
            initial,
            data,
            key=key_mode,
            pilot=pilot,
            remembering=remembering,
        )
        chunks = -(-self.num_steps // _CHUNK)
        with stopwatch() as watch:
            state = _begin(mode, chunks)
            bounds = []
            keys = jax.random.split(key_steps, chunks)
            for own in tqdm(keys, "svi", disable=None if self.progress else True):
                state, bound = _climb(
                    log_joint, mode, data, state, own, self.num_samples, chunks
                )
                bounds.append(float(bound))
            draws = jax.block_until_ready(
                _draws(mode, state.guess, key_draws, self.num_draws)
            )
        gain = bounds[-1] - bounds[max(len(bounds) - 4, 0)]
        report = FitReport(
            converged=bool(abs(gain) < 0.5),
            message=f"evidence bound {bounds[-1]:.2f}, {gain:+.2g} in the last steps",
            steps=found.steps + chunks * _CHUNK * self.num_samples,
            seconds_compile=found.seconds_compile + watch.compile,
            seconds_run=found.seconds_run + watch.run,
        )
        if not jnp.all(jnp.isfinite(ravel_pytree(draws)[0])):
            raise FitError("the evidence bound is not finite: use NUTS()", report)
        return draws, report


class _Guess(NamedTuple):
    """Mean, and a matrix whose lower triangle is L, the diagonal as logarithms."""

    mean: Float[Array, " p"]
    raw: Float[Array, "p p"]


class _State(NamedTuple):
    guess: _Guess
    optimiser: Any


def _root(guess):
    return jnp.tril(guess.raw, -1) + jnp.diag(jnp.exp(jnp.diagonal(guess.raw)))


def _optimiser(chunks):
    import optax

    return optax.adam(optax.cosine_decay_schedule(_RATE, chunks * _CHUNK))


@eqx.filter_jit
def _begin(mode, chunks):
    mean = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], mode))[0]
    raw = jnp.log(0.3) * jnp.eye(mean.size, dtype=mean.dtype)
    guess = _Guess(mean, raw)
    return _State(guess, _optimiser(chunks).init(guess))


@eqx.filter_jit
def _climb(log_joint, mode, data, state, key, num_samples, chunks):
    """A hundred steps, and the mean of the bound over them."""
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], mode))[1]
    optimiser = _optimiser(chunks)

    def loss(guess, key):
        vectors = _mirrored(guess, key, num_samples)
        density = jax.vmap(lambda vector: log_joint(unravel(vector), data))(vectors)
        entropy = jnp.sum(jnp.diagonal(guess.raw))
        size = guess.mean.size * (1 + jnp.log(2 * jnp.pi)) / 2
        return -jnp.mean(density) - entropy - size

    def step(state, key):
        value, slope = jax.value_and_grad(loss)(state.guess, key)
        # One draw beyond the density's support must not end the climb.
        finite = jnp.isfinite(ravel_pytree(slope)[0]).all()
        slope = jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0.0), slope)
        change, optimiser_state = optimiser.update(slope, state.optimiser)
        guess = jax.tree.map(jnp.add, state.guess, change)
        return _State(guess, optimiser_state), -value

    # The optimiser mixes ranks and dtypes that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        state, bound = jax.lax.scan(step, state, jax.random.split(key, _CHUNK))
    return state, jnp.mean(bound)


@eqx.filter_jit
def _draws(mode, guess, key, num_draws):
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], mode))[1]
    return jax.vmap(unravel)(_mirrored(guess, key, num_draws))


def _mirrored(guess, key, num):
    """Draws in pairs about the mean, which then has no error of its own."""
    half = jax.random.normal(key, (num // 2, guess.mean.size), guess.mean.dtype)
    return guess.mean[None] + jnp.concatenate([half, -half]) @ _root(guess).T
