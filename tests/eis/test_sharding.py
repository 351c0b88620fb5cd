"""Spectra sharded over eight devices are fitted there, with the same results."""

from tests.devices import answer, start

SCRIPT = """
import json
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_enable_x64", True)
import battprob as bp

circuit = bp.eis.Circuit("R0-p(R1,C1)")
frequency_hz = np.logspace(3, -1, 16)
rng = np.random.default_rng(0)
exact = circuit.impedance([0.02, 0.01, 1.0], frequency_hz)
noise = rng.normal(size=(16, 16)) + 1j * rng.normal(size=(16, 16))
impedance_ohm = np.asarray(exact)[None] * (1 + 0.003 * noise)
shards = NamedSharding(Mesh(np.array(jax.devices()), "spectra"), PartitionSpec("spectra"))
sharded = jax.device_put(jnp.asarray(impedance_ohm), shards)
one, many = (
    circuit.fit(frequency_hz, z, key=jax.random.key(0)) for z in (impedance_ohm, sharded)
)
worst = max(
    float(np.max(np.abs(np.asarray(a) - np.asarray(b)) / (np.abs(np.asarray(a)) + 1e-9)))
    for a, b in zip(one.interval(0.9).values(), many.interval(0.9).values())
)
rows = [s.data.shape[0] for s in many.mixture.log_evidence.addressable_shards]
print(json.dumps({"devices": len(jax.devices()), "worst": worst, "rows": rows}))
"""


def test_eight_devices_give_the_results_of_one():
    got = answer(start(8, "-c", SCRIPT))
    assert got["devices"] == 8
    assert got["worst"] < 1e-6
    assert got["rows"] == [2] * 8
