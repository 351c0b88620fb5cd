"""Stochastic maximisation of the evidence bound, with the rows of a batch on many devices."""

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tqdm import tqdm

from battprob._errors import DataError
from battprob._files.atomic import replace_file
from battprob._parameters import map_parameters
from battprob._random import generator
from battprob._typing import Array, Int, PRNGKey
from battprob.models._scaling import Rows
from battprob.models.process._variational_bound import (
    Hyperparameters,
    VariationalPosterior,
    batch_bound,
    likelihood_parameters,
)
from battprob.noise.base import AbstractNoise

CHUNK = 50  # steps between checkpoints, compiled as one loop


class OptimiserState(NamedTuple):
    """State of the optimisation: all that is needed to resume it."""

    hyper: Hyperparameters
    posterior: VariationalPosterior
    adam: Any
    step: Int[Array, ""]


def in_batches(rows: Rows, batch_size: int, mesh: Mesh | None, key: PRNGKey) -> Rows:
    """The rows in random order as `[batches batch_size ...]`, padded with masked rows.

    On a mesh, each device stores its part of every batch, so that a step moves no rows
    between devices.
    """
    real = np.flatnonzero(np.asarray(rows.mask))
    order = generator(key).permutation(real)
    num = -(-len(order) // batch_size)
    padding = num * batch_size - len(order)
    order = np.concatenate([order, np.full(padding, order[-1])])
    mask = np.arange(len(order)) < len(real)

    def batched(column):
        return shard_rows(column.reshape(num, batch_size, *column.shape[1:]), mesh)

    x, y, known = (np.asarray(column)[order] for column in rows[:3])
    return Rows(batched(x), batched(y), batched(known), batched(mask))


def shard_rows(column: np.ndarray, mesh: Mesh | None) -> Array:
    """`[batches batch_size ...]` with the rows of each batch divided among the devices."""
    if mesh is None:
        return jnp.asarray(column)
    sharding = NamedSharding(mesh, PartitionSpec(None, mesh.axis_names))
    # Each process makes the parts of its own devices: a host cannot address the others.
    return jax.make_array_from_callback(
        column.shape, sharding, lambda index: column[index]
    )


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """The same arrays on every device of a mesh."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec())

    def replicated(leaf):
        host = np.asarray(leaf)
        return jax.make_array_from_callback(
            host.shape, sharding, lambda index: host[index]
        )

    return jax.tree.map(replicated, tree)


def on_one_device(tree: Any) -> Any:
    """Replicated arrays as arrays of the default device."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), tree)


def initial_state(
    hyper: Hyperparameters, posterior: VariationalPosterior, mesh: Mesh | None
) -> OptimiserState:
    """The state before the first step."""
    # The initial state of Adam does not depend on the step sizes.
    adam = _adam(1.0, 1).init(hyper)  # pyright: ignore[reportArgumentType]
    step = jnp.zeros((), int)
    return OptimiserState(hyper, posterior, *replicate((adam, step), mesh))


def maximise_bound(
    state: OptimiserState,
    fixed: AbstractNoise,
    batches: Rows,
    *,
    key: PRNGKey,
    num_steps: int,
    learning_rate: float,
    progress: bool,
    checkpoint: "Checkpoint | None",
) -> tuple[OptimiserState, list[float]]:
    """The state after `num_steps` steps, and the mean bound of each chunk of steps."""
    num_chunks = -(-num_steps // CHUNK)
    bounds = []
    if checkpoint is not None:
        state, bounds = checkpoint.resume(state)
    chunks = range(int(state.step) // CHUNK, num_chunks)
    bar = tqdm(
        chunks,
        "inducing points",
        initial=chunks.start,
        total=num_chunks,
        unit_scale=CHUNK,
        unit="step",
        disable=None if progress else True,
    )
    with bar:
        for chunk in bar:
            order = _batch_order(key, chunk, len(batches.y))
            state, bound = _run_chunk(
                state, fixed, batches, order, learning_rate, num_chunks * CHUNK
            )
            bounds.append(float(bound))
            bar.set_postfix_str(f"bound {bounds[-1]:.6g}")
            if checkpoint is not None:
                checkpoint.write(state, bounds)
    return state, bounds


def _batch_order(key, chunk, num_batches):
    """The batches of a chunk of steps: a new random order for each pass over all batches.

    It depends on the key and the chunk alone, so that a resumed fit takes the same batches.
    """
    first = chunk * CHUNK
    passes = range(first // num_batches, (first + CHUNK - 1) // num_batches + 1)
    order = np.concatenate(
        [generator(jax.random.fold_in(key, i)).permutation(num_batches) for i in passes]
    )
    start = first - passes[0] * num_batches
    return jnp.asarray(order[start : start + CHUNK].astype(np.int32))


def _adam(learning_rate, num_steps):
    """Adam with a learning rate that decays to zero."""
    import optax

    return optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))


@eqx.filter_jit
def _run_chunk(state, fixed, batches, order, learning_rate, num_steps):
    """The state after a chunk of steps, and the mean of the bound over them."""
    scale = float(len(batches.y))
    adam = _adam(learning_rate, num_steps)

    def step(state, index):
        rows = jax.tree.map(lambda column: column[index], batches)
        moments = state.posterior.moments()

        def loss(hyper):
            bound, terms = batch_bound(hyper, fixed, moments, rows)
            noise = eqx.combine(hyper.noise, fixed)
            prior = hyper.kernel.log_prior() + noise.log_prior()
            return -(scale * bound + prior), terms

        (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(state.hyper)
        change, memory = adam.update(gradient, state.adam)
        hyper = map_parameters(jnp.add, state.hyper, change)
        likelihood = likelihood_parameters(
            terms, rows, moments[1].mean, scale, exact_curvature=False
        )
        step_size = _natural_step_size(state.step, value.dtype)
        posterior = state.posterior.update(likelihood, step_size)
        bound = -value - moments[0].divergence() - moments[1].divergence()
        return OptimiserState(hyper, posterior, memory, state.step + 1), bound

    # The optimiser mixes ranks and dtypes that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        state, bounds = jax.lax.scan(step, state, order)
    return state, jnp.mean(bounds)


def _natural_step_size(step, dtype):
    """Step size ρ of the natural gradient, t^-0.6 and at least 0.01.

    An exponent between ½ and 1 averages over more and more batches. The lower limit lets
    q follow the hyper-parameters, which still change.
    """
    return jnp.maximum((step + 2.0).astype(dtype) ** -0.6, 0.01)


class Checkpoint:
    """A file with the state after the last finished chunk of steps; written atomically.

    Args:
        path: the file, in an existing folder.
        identity: everything that determines the optimisation. A file with another
            identity is refused.
    """

    def __init__(self, path: str | os.PathLike, identity: Any):
        self._path = Path(path)
        self._identity = _digest(identity)

    def write(self, state: OptimiserState, bounds: list[float]) -> None:
        """Replace the file."""
        leaves = enumerate(jax.tree.leaves(state))
        entries: dict[str, Any] = {f"leaf_{i}": np.asarray(leaf) for i, leaf in leaves}
        header = {"identity": self._identity, "bounds": np.array(bounds)}
        replace_file(self._path, lambda file: np.savez(file, **header, **entries))

    def resume(self, start: OptimiserState) -> tuple[OptimiserState, list[float]]:
        """The state in the file, on the devices of `start`; `start` if there is no file.

        Raises:
            DataError: the file is no checkpoint, or of other data or settings.
        """
        if not self._path.exists():
            return start, []
        try:
            with np.load(self._path) as file:
                entries = dict(file)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self._path} is no checkpoint: {error}; name another file"
            ) from error
        if str(entries.get("identity")) != self._identity:
            raise DataError(
                f"{self._path} is the checkpoint of other data, settings or key: name "
                "another file, or delete it to start from the beginning"
            )
        leaves, tree = jax.tree.flatten(start)
        stored = [
            jax.make_array_from_callback(
                leaf.shape,
                leaf.sharding,
                lambda index, i=i: entries[f"leaf_{i}"][index],
            )
            for i, leaf in enumerate(leaves)
        ]
        return jax.tree.unflatten(tree, stored), entries["bounds"].tolist()


def _digest(tree):
    """SHA-256 of the structure, the arrays and the settings of a pytree."""
    leaves, structure = jax.tree.flatten(tree)
    digest = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        digest.update(
            np.asarray(leaf).tobytes()
            if eqx.is_array_like(leaf)
            else repr(leaf).encode()
        )
    return digest.hexdigest()
