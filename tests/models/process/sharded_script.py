"""Fit a Gaussian process on all devices of this process, or of two hosts; print the result.

`python sharded_script.py inducing_points|conjugate_gradients [HOST PORT]`
"""

import json
import sys

import jax
import numpy as np
from jax.sharding import Mesh


def main(solver, *host):
    jax.config.update("jax_enable_x64", True)
    if host:
        jax.distributed.initialize(f"localhost:{host[1]}", 2, int(host[0]))
    import battprob as bp  # after `initialize`, which adds the devices of the other host

    rng = np.random.default_rng(0)
    x = rng.uniform(size=(96, 2))
    y = np.sin(5 * x[:, 0]) + np.exp(x[:, 1] - 2) * rng.normal(size=96)
    mesh = Mesh(np.array(jax.devices()), "rows")
    models = {
        "inducing_points": bp.models.GaussianProcess(
            noise=bp.noise.LogLinear(),
            solver=bp.models.InducingPoints(8, batch_size=32, num_steps=50, mesh=mesh),
        ),
        "conjugate_gradients": bp.models.GaussianProcess(
            solver=bp.models.ConjugateGradients(
                rank=8, block_rows=32, tolerance=1e-10, mesh=mesh
            )
        ),
    }
    data, key = bp.Dataset(x, y), jax.random.key(0)
    posterior = models[solver].fit(data, key=key)
    pred = posterior.predict(x[:8])
    result = [np.asarray(a).tolist() for a in (pred.mean, pred.variance)]
    result.append([float(posterior.log_evidence)] * 8)
    rows_per_device = []
    if solver == "conjugate_gradients" and not host:
        shards = posterior.solution.data.blocks.addressable_shards
        rows_per_device = [shard.data.shape[1] for shard in shards]
    output = {
        "devices": len(jax.devices()),
        "rows_per_device": rows_per_device,
        "result": result,
    }
    print(json.dumps(output))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
