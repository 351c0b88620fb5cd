"""Early-life features of cells on eight devices are those of one, each device its share."""

from tests.devices import answer, start

SCRIPT = """
import json
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_enable_x64", True)
from battprob.features import capacity_on_grid
from battprob.features.early_life import _columns_of_all

rng = np.random.default_rng(0)
curves = jnp.asarray(np.cumsum(rng.uniform(size=(16, 2, 50)), -1))
capacity = jnp.asarray(1.1 - 1e-4 * np.arange(29) + 1e-5 * rng.normal(size=(16, 29)))
cycle = jnp.arange(2.0, 31.0)
shards = NamedSharding(Mesh(np.array(jax.devices()), "cells"), PartitionSpec("cells"))
spread = [jax.device_put(a, shards) for a in (curves, capacity)]

def worst(one, many):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(many))
    return max(float(jnp.max(jnp.abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs)

one, many = _columns_of_all(curves, capacity, cycle), _columns_of_all(*spread, cycle)
shares = [[s.data.shape[0] for s in leaf.addressable_shards] for leaf in jax.tree.leaves(many)]
voltage = np.linspace(3.0, 4.0, 60) + 1e-3 * rng.normal(size=(16, 60))
charge = np.broadcast_to(np.linspace(0.0, 1.0, 60), (16, 60))
grid = np.linspace(3.1, 3.9, 20)
halves = [jax.device_put(jnp.asarray(a), shards) for a in (voltage, charge)]
resampled = capacity_on_grid(*halves, grid)
print(json.dumps({
    "devices": len(jax.devices()),
    "worst": worst(one, many),
    "shares": shares,
    "resampled_worst": worst(capacity_on_grid(voltage, charge, grid), resampled),
    "resampled_shares": [s.data.shape[0] for s in resampled.addressable_shards],
}))
"""


def test_eight_devices_give_the_numbers_of_one_and_two_cells_each():
    got = answer(start(8, "-c", SCRIPT))
    assert got["devices"] == 8
    assert got["worst"] < 1e-9
    assert all(share == [2] * 8 for share in got["shares"])
    assert got["resampled_worst"] < 1e-12
    assert got["resampled_shares"] == [2] * 8
