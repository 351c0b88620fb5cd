"""Stochastic ascent of a sparse process: batches by scan, rows spread over devices."""

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
    Beliefs,
    Hyper,
    beliefs_of_rows,
    bound_of_batch,
)
from battprob.noise.base import AbstractNoise

CHUNK = 50  # steps between checkpoints


class State(NamedTuple):
    """Where an ascent stands; all that a resumed one needs."""

    hyper: Hyper
    beliefs: Beliefs
    optimiser: Any
    step: Int[Array, ""]


def in_batches(rows: Rows, batch_size: int, mesh: Mesh | None, key: PRNGKey) -> Rows:
    """The rows in random order as `[batches batch_size ...]`, padded with masked rows.

    On a mesh every device holds its share of every batch, so that a step moves no rows.
    """
    real = np.flatnonzero(np.asarray(rows.mask))
    order = generator(key).permutation(real)
    num = -(-len(order) // batch_size)
    padding = num * batch_size - len(order)
    order = np.concatenate([order, np.full(padding, order[-1])])
    mask = np.arange(len(order)) < len(real)

    def arranged(column, values=None):
        column = np.asarray(column)[order] if values is None else values
        return spread(column.reshape(num, batch_size, *column.shape[1:]), mesh)

    return Rows(
        arranged(rows.x),
        arranged(rows.y),
        arranged(rows.known),
        arranged(None, mask),
    )


def spread(column: np.ndarray, mesh: Mesh | None) -> Array:
    """`[batches batch_size ...]` on the devices of a mesh, each its share of a batch."""
    if mesh is None:
        return jnp.asarray(column)
    shares = NamedSharding(mesh, PartitionSpec(None, mesh.axis_names))
    # Every process makes its own shares: no host holds the others' on its devices.
    return jax.make_array_from_callback(column.shape, shares, lambda own: column[own])


def replicated(tree: Any, mesh: Mesh | None) -> Any:
    """The same arrays on every device of a mesh."""
    if mesh is None:
        return tree
    everywhere = NamedSharding(mesh, PartitionSpec())

    def place(leaf):
        host = np.asarray(leaf)
        return jax.make_array_from_callback(
            host.shape, everywhere, lambda own: host[own]
        )

    return jax.tree.map(place, tree)


def on_host(tree: Any) -> Any:
    """Arrays that every device holds whole, as arrays of one device."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), tree)


def begin(hyper: Hyper, beliefs: Beliefs, mesh: Mesh | None) -> State:
    """The state before the first step."""
    memory = _optimiser(1.0, 1).init(hyper)  # pyright: ignore[reportArgumentType]
    step = jnp.zeros((), int)
    return State(hyper, beliefs, *replicated((memory, step), mesh))


def climb(
    state: State,
    fixed: AbstractNoise,
    batches: Rows,
    *,
    key: PRNGKey,
    num_steps: int,
    rate: float,
    progress: bool,
    keep: "Checkpoint | None",
) -> tuple[State, list[float]]:
    """Ascend for `num_steps` steps; the mean bound of every chunk of them."""
    num_chunks = -(-num_steps // CHUNK)
    bounds = []
    if keep is not None:
        state, bounds = keep.resume(state)
    chunks = range(int(state.step) // CHUNK, num_chunks)
    bar = tqdm(
        chunks,
        "sparse process",
        initial=chunks.start,
        total=num_chunks,
        unit_scale=CHUNK,
        unit="step",
        disable=None if progress else True,
    )
    with bar:
        for chunk in bar:
            order = _order(key, chunk, len(batches.y))
            state, bound = _ascend(
                state, fixed, batches, order, rate, num_chunks * CHUNK
            )
            bounds.append(float(bound))
            bar.set_postfix_str(f"bound {bounds[-1]:.6g}")
            if keep is not None:
                keep.write(state, bounds)
    return state, bounds


def _order(key, chunk, num_batches):
    """The batches of a chunk of steps: every batch once before any comes again."""
    first = chunk * CHUNK
    passes = range(first // num_batches, (first + CHUNK - 1) // num_batches + 1)
    order = np.concatenate(
        [generator(jax.random.fold_in(key, i)).permutation(num_batches) for i in passes]
    )
    start = first - passes[0] * num_batches
    return jnp.asarray(order[start : start + CHUNK].astype(np.int32))


def _optimiser(rate, num_steps):
    """Adam, its step falling to nothing."""
    import optax

    return optax.adam(optax.cosine_decay_schedule(rate, num_steps))


@eqx.filter_jit
def _ascend(state, fixed, batches, order, rate, num_steps):
    """A chunk of steps, and the mean of the bound over them."""
    scale = float(len(batches.y))
    adam = _optimiser(rate, num_steps)

    def step(state, place):
        rows = jax.tree.map(lambda column: column[place], batches)
        moments = state.beliefs.moments()

        def loss(hyper):
            bound, seen = bound_of_batch(hyper, fixed, moments, rows)
            head = eqx.combine(hyper.noise, fixed)
            prior = hyper.kernel.log_prior() + head.log_prior()
            return -(scale * bound + prior), seen

        (value, seen), slope = jax.value_and_grad(loss, has_aux=True)(state.hyper)
        change, memory = adam.update(slope, state.optimiser)
        hyper = map_parameters(jnp.add, state.hyper, change)
        own = beliefs_of_rows(seen, rows, moments[1].mean, scale, settled=False)
        beliefs = state.beliefs.moved(own, _rate_of_beliefs(state.step, value.dtype))
        bound = -value - moments[0].divergence() - moments[1].divergence()
        return State(hyper, beliefs, memory, state.step + 1), bound

    # The optimiser mixes ranks and dtypes that strict JAX settings forbid.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        state, bounds = jax.lax.scan(step, state, order)
    return state, jnp.mean(bounds)


def _rate_of_beliefs(step, dtype):
    """Step size of the natural gradient: an average over ever more batches."""
    return jnp.maximum((step + 2.0).astype(dtype) ** -0.6, 0.01)


class Checkpoint:
    """A file that holds the last finished chunk of an ascent, the old one or the new one.

    Args:
        path: the file; its folder must be there.
        identity: everything that decides the ascent; a file of another one is refused.
    """

    def __init__(self, path: str | os.PathLike, identity: Any):
        self._path = Path(path)
        self._identity = _digest(identity)

    def write(self, state: State, bounds: list[float]) -> None:
        """Put the state into the file."""
        leaves = enumerate(jax.tree.leaves(state))
        entries: dict[str, Any] = {f"leaf_{i}": np.asarray(leaf) for i, leaf in leaves}
        own = {"identity": self._identity, "bounds": np.array(bounds)}
        replace_file(self._path, lambda file: np.savez(file, **own, **entries))

    def resume(self, start: State) -> tuple[State, list[float]]:
        """The state in the file, placed as `start` is; `start` where there is no file.

        Raises:
            DataError: the file is no checkpoint, or of other data or settings.
        """
        if not self._path.exists():
            return start, []
        try:
            with np.load(self._path) as file:
                entries = dict(file)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{self._path} is no checkpoint: {error}") from error
        if str(entries.get("identity")) != self._identity:
            raise DataError(
                f"{self._path} is the checkpoint of other data, settings or key: name "
                "another file, or delete it to begin anew"
            )
        leaves, tree = jax.tree.flatten(start)
        kept = [
            jax.make_array_from_callback(
                leaf.shape, leaf.sharding, lambda own, i=i: entries[f"leaf_{i}"][own]
            )
            for i, leaf in enumerate(leaves)
        ]
        return jax.tree.unflatten(tree, kept), entries["bounds"].tolist()


def _digest(tree):
    """A fingerprint of arrays and settings."""
    leaves, structure = jax.tree.flatten(tree)
    seen = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        seen.update(
            np.asarray(leaf).tobytes()
            if eqx.is_array_like(leaf)
            else repr(leaf).encode()
        )
    return seen.hexdigest()
