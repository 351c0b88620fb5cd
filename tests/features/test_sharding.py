"""Features of cells sharded over eight devices equal those of one device."""

from tests.devices import answer, start

SCRIPT = """
import json
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_enable_x64", True)
from battprob.features import capacity_on_grid
from battprob.features.early_life import _features_of_cells

rng = np.random.default_rng(0)
curves = jnp.asarray(np.cumsum(rng.uniform(size=(16, 2, 50)), -1))
capacity = jnp.asarray(1.1 - 1e-4 * np.arange(29) + 1e-5 * rng.normal(size=(16, 29)))
cycle = jnp.arange(2.0, 31.0)
shards = NamedSharding(Mesh(np.array(jax.devices()), "cells"), PartitionSpec("cells"))
sharded = [jax.device_put(a, shards) for a in (curves, capacity)]

def max_difference(one, many):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(many))
    return max(float(jnp.max(jnp.abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs)

def sizes(array):
    return [s.data.shape[0] for s in array.addressable_shards]

one = _features_of_cells(curves, capacity, cycle)
many = _features_of_cells(*sharded, cycle)
voltage = np.linspace(3.0, 4.0, 60) + 1e-3 * rng.normal(size=(16, 60))
charge = np.broadcast_to(np.linspace(0.0, 1.0, 60), (16, 60))
grid = np.linspace(3.1, 3.9, 20)
halves = [jax.device_put(jnp.asarray(a), shards) for a in (voltage, charge)]
single = capacity_on_grid(voltage, charge, grid)
resampled = capacity_on_grid(*halves, grid)
print(json.dumps({
    "devices": len(jax.devices()),
    "max_difference": max_difference(one, many),
    "shard_sizes": [sizes(leaf) for leaf in jax.tree.leaves(many)],
    "resampled_difference": max_difference(single, resampled),
    "resampled_shard_sizes": sizes(resampled),
}))
"""


def test_eight_devices_hold_two_cells_each_and_give_the_same_values():
    got = answer(start(8, "-c", SCRIPT))
    assert got["devices"] == 8
    assert got["max_difference"] < 1e-9
    assert all(sizes == [2] * 8 for sizes in got["shard_sizes"])
    assert got["resampled_difference"] < 1e-12
    assert got["resampled_shard_sizes"] == [2] * 8
