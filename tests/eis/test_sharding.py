"""Spectra sharded over eight devices are fitted there, with the same results."""

import jax
import numpy as np

import battprob as bp
from tests.devices import answer, start

SCRIPT = """
import json
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_enable_x64", True)
from tests.eis.test_sharding import spectra

circuit, frequency_hz, impedance_ohm = spectra()
shards = NamedSharding(Mesh(np.array(jax.devices()), "spectra"), PartitionSpec("spectra"))
sharded = jax.device_put(jnp.asarray(impedance_ohm), shards)
many = circuit.fit(frequency_hz, sharded, key=jax.random.key(0))
rows = [s.data.shape[0] for s in many.mixture.log_evidence.addressable_shards]
ends = {name: np.array(pair).tolist() for name, pair in many.interval(0.9).items()}
print(json.dumps({"devices": len(jax.devices()), "rows": rows, "ends": ends}))
"""


def spectra():
    """Sixteen spectra of a circuit."""
    circuit = bp.eis.Circuit("R0-p(R1,C1)")
    frequency_hz = np.logspace(3, -1, 12)
    rng = np.random.default_rng(0)
    exact = circuit.impedance([0.02, 0.01, 1.0], frequency_hz)
    noise = rng.normal(size=(16, 12)) + 1j * rng.normal(size=(16, 12))
    return circuit, frequency_hz, np.asarray(exact)[None] * (1 + 0.003 * noise)


def test_eight_devices_give_the_results_of_one():
    got = answer(start(8, "-c", SCRIPT))
    assert got["devices"] == 8
    circuit, *measured = spectra()
    one = circuit.fit(*measured, key=jax.random.key(0))
    for name, ends in one.interval(0.9).items():
        np.testing.assert_allclose(got["ends"][name], ends, rtol=1e-6)
    assert got["rows"] == [2] * 8
