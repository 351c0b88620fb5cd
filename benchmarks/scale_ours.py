"""One fit of ours at one size, in a process of its own: `scale_ours.py JOB`, a line of JSON."""

import json
import os
import resource
import sys
import time
import warnings

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
from scale_task import friedman, gaussian_nlpd, sequence

import battprob as bp
from battprob.state_space import MaternProcess

HEADS = {
    "constant": bp.noise.Constant(),
    "log_linear": bp.noise.LogLinear(),
    "latent": bp.noise.LatentGP(),
}
KEY = jax.random.key(0)
MOST_DENSE = 10_000  # rows whose covariance is held for comparison: 0.8 GB


def _float(array):
    return np.asarray(array, jnp.result_type(float))


def _dataset(n, noise="constant", seed=0):
    x, y, *_ = friedman(n, seed, noise)
    return bp.Dataset(_float(x), _float(y))


def _fitted(model, data):
    """A posterior, and what the fit cost, the compiler's share apart."""
    start = time.process_time()
    posterior = model.fit(data, key=KEY)
    seconds = time.process_time() - start
    report = posterior.report  # its seconds are of the wall: they tell the shares
    both = report.seconds_run + report.seconds_compile
    return posterior, {
        "cpu_s": seconds * report.seconds_run / both,
        "compile_cpu_s": seconds * report.seconds_compile / both,
        "wall_s": report.seconds_run,
    }


def _scores(posterior, noise):
    """Density of new rows, beside that of the law that made them; error of the noise."""
    new, y_new, mean, sd = friedman(5000, 1, noise)
    pred = posterior.predict(_float(new))
    own = np.asarray(pred.aleatoric, float) ** 0.5
    return {
        "nlpd": -float(np.mean(np.asarray(pred.log_prob(_float(y_new)), float))),
        "truth_nlpd": gaussian_nlpd(y_new, mean, sd**2),
        "noise_sd_rmse": float(np.sqrt(np.mean((own - sd) ** 2))),
        "rmse_of_mean": float(np.sqrt(np.mean((np.asarray(pred.mean) - mean) ** 2))),
    }


def sparse(*, n, noise="constant", seed=0, steps=1000, score=True, per_epoch=False):
    """256 inducing inputs, batches of 1024."""

    def model(steps):
        return bp.models.SparseGaussianProcess(
            noise=HEADS[noise], num_inducing=256, batch_size=1024, num_steps=steps
        )

    data = _dataset(n, noise, seed)
    posterior, answer = _fitted(model(steps), data)
    answer |= {"message": posterior.report.message}
    if score:
        answer |= _scores(posterior, noise)
    if per_epoch:  # what a fit costs besides its steps, taken off
        less = _fitted(model(50), data)[1]["cpu_s"]
        step = (answer["cpu_s"] - less) / (steps - 50)
        answer["cpu_s_an_epoch"] = step * -(-n // 1024)
    return answer


def dense(*, n, noise="constant", seed=0, score=False):
    """Hyper-parameters at their mode."""
    model = bp.models.GaussianProcess(noise=HEADS[noise])
    posterior, answer = _fitted(model, _dataset(n, noise, seed))
    return answer | (_scores(posterior, noise) if score else {})


def iterative(*, n):
    """Hyper-parameters of a pilot, all rows' system solved, 64 new rows predicted."""
    data = _dataset(n)
    new = _float(friedman(64, 1)[0])
    posterior, answer = _fitted(bp.models.IterativeGaussianProcess(), data)
    start = time.process_time()
    pred = posterior.predict(new)
    answer["predict_cpu_s"] = time.process_time() - start  # its compilation with it
    answer["message"] = posterior.report.message
    answer["peak_gb"] = _peak_gb()
    if n <= MOST_DENSE:
        answer |= _beside_dense(posterior, pred, new)
    return answer


def _beside_dense(posterior, pred, new):
    """The same hyper-parameters with K held: time, memory, and how far the answers are."""
    rows = posterior.data.rows
    real = np.flatnonzero(rows.mask)
    x, y = rows.x[real], rows.y[real]
    at = posterior.scaling.features(jnp.asarray(new))

    @jax.jit
    def solve(x, y, at):
        noise = posterior.noise.variance(x, y)
        factor = jnp.linalg.cholesky(posterior.kernel.gram(x, x) + jnp.diag(noise))
        cross = posterior.kernel.gram(x, at)
        both = jnp.concatenate([y[:, None], cross], axis=1)
        half = jax.scipy.linalg.solve_triangular(factor, both, lower=True)
        mean = half[:, 0] @ half[:, 1:]
        known = jnp.sum(half[:, 1:] ** 2, axis=0)
        return mean, posterior.kernel.diagonal(at) - known

    compiled = solve.lower(x, y, at).compile()
    start = time.process_time()
    mean, variance = jax.block_until_ready(compiled(x, y, at))
    seconds = time.process_time() - start
    scaling = posterior.scaling
    mean = mean * scaling.y_scale + scaling.y_mean
    variance = variance * scaling.y_scale**2
    return {
        "dense_cpu_s": seconds,
        "dense_peak_gb": _peak_gb(),
        "mean_error": float(jnp.max(jnp.abs(pred.mean / mean - 1))),
        "epistemic_error": float(jnp.max(jnp.abs(pred.epistemic / variance - 1))),
    }


def state_space(*, n):
    """A fit; then the law of all rows at given hyper-parameters, compiled before."""
    x, y = sequence(n, 0)
    data = bp.Dataset(_float(x), _float(y))
    answer = _fitted(bp.models.SequenceGaussianProcess(), data)[1]
    process = MaternProcess(1.0, 10.0)
    readings = (jnp.asarray(x), jnp.asarray(y), jnp.full(n, 0.01))
    for name in ("log_evidence", "smooth"):
        ask = getattr(process, name)
        jax.block_until_ready(ask(*readings))
        start = time.process_time()
        jax.block_until_ready(ask(*readings))
        answer[f"{name}_cpu_s"] = time.process_time() - start
    return answer


# Of one GPU by its data sheet: float64 by matrix units, and memory.
PEAKS = {
    "NVIDIA H100 80GB HBM3": (66.9e12, 3.35e12),
    "NVIDIA H200": (66.9e12, 4.8e12),
}


def _seconds(call):
    """Wall clock of a call that is compiled, and has run once."""
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def on_gpu(*, n, num_cells=65536):
    """Cholesky of n rows and features of many cells, as fractions of what the GPU can."""
    if jax.default_backend() != "gpu":
        return {"message": "no GPU: not measured"}
    name = jax.devices()[0].device_kind
    flops, bandwidth = PEAKS.get(name, (np.nan, np.nan))
    x = jax.random.uniform(KEY, (n, 5))
    kernel = bp.kernels.Matern52().bind(tuple("abcde"))
    gram = jax.jit(lambda x: kernel.gram(x, x) + 0.1 * jnp.eye(n))(x)
    cholesky = _seconds(lambda: jnp.linalg.cholesky(gram, symmetrize_input=False))
    curves = jax.random.normal(KEY, (num_cells, 1000))
    features = jax.jit(jax.vmap(bp.features.delta_q_statistics))
    reading = _seconds(lambda: features(curves))
    return {
        "device": name,
        "cholesky_s": cholesky,
        "cholesky_of_peak": n**3 / 3 / cholesky / flops,
        "features_s": reading,
        "features_of_bandwidth": curves.nbytes / reading / bandwidth,
    }


def _peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


FITS = {fit.__name__: fit for fit in (sparse, dense, iterative, state_space, on_gpu)}


if __name__ == "__main__":
    warnings.simplefilter("ignore", bp.PrecisionWarning)
    job = json.loads(sys.argv[1])
    if job.pop("x64", True):
        bp.enable_x64()
    answer = FITS[job.pop("model")](**job)
    print(json.dumps({"peak_gb": _peak_gb()} | answer))
