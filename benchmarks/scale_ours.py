"""One fit of this package for scale.py: `scale_ours.py JOB` prints a line of JSON."""

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
MOST_DENSE = 10_000  # largest number of rows compared with a dense K (0.8 GB)


def _float(array):
    return np.asarray(array, jnp.result_type(float))


def _dataset(n, noise="constant", seed=0):
    x, y, *_ = friedman(n, seed, noise)
    return bp.Dataset(_float(x), _float(y))


def _fitted(model, data):
    """A posterior and the time of the fit, with and without compilation."""
    start = time.process_time()
    posterior = model.fit(data, key=KEY)
    seconds = time.process_time() - start
    report = posterior.report  # has wall seconds: split the CPU seconds in proportion
    total = report.seconds_run + report.seconds_compile
    return posterior, {
        "cpu_s": seconds * report.seconds_run / total,
        "compile_cpu_s": seconds * report.seconds_compile / total,
        "wall_s": report.seconds_run,
    }


def _scores(posterior, noise):
    """NLPD of new rows, NLPD of the true distribution, errors of noise and mean."""
    new, y_new, mean, sd = friedman(5000, 1, noise)
    pred = posterior.predict(_float(new))
    noise_sd = np.asarray(pred.aleatoric, float) ** 0.5
    return {
        "nlpd": -float(np.mean(np.asarray(pred.log_prob(_float(y_new)), float))),
        "truth_nlpd": gaussian_nlpd(y_new, mean, sd**2),
        "noise_sd_rmse": float(np.sqrt(np.mean((noise_sd - sd) ** 2))),
        "rmse_of_mean": float(np.sqrt(np.mean((np.asarray(pred.mean) - mean) ** 2))),
    }


def sparse(*, n, noise="constant", seed=0, steps=1000, score=True, per_epoch=False):
    """256 inducing points, batches of 1024."""

    def model(steps):
        solver = bp.models.InducingPoints(256, batch_size=1024, num_steps=steps)
        return bp.models.GaussianProcess(noise=HEADS[noise], solver=solver)

    data = _dataset(n, noise, seed)
    posterior, result = _fitted(model(steps), data)
    result |= {"message": posterior.report.message}
    if score:
        result |= _scores(posterior, noise)
    if per_epoch:  # the difference of two fits excludes the time outside the steps
        short = _fitted(model(50), data)[1]["cpu_s"]
        step = (result["cpu_s"] - short) / (steps - 50)
        result["cpu_s_per_epoch"] = step * -(-n // 1024)
    return result


def dense(*, n, noise="constant", seed=0, score=False):
    """Exact solver, hyper-parameters at their mode."""
    model = bp.models.GaussianProcess(noise=HEADS[noise], solver=bp.models.Exact())
    posterior, result = _fitted(model, _dataset(n, noise, seed))
    return result | (_scores(posterior, noise) if score else {})


def iterative(*, n):
    """Conjugate gradients; 64 new rows predicted."""
    data = _dataset(n)
    new = _float(friedman(64, 1)[0])
    model = bp.models.GaussianProcess(solver=bp.models.ConjugateGradients())
    posterior, result = _fitted(model, data)
    start = time.process_time()
    pred = posterior.predict(new)
    result["predict_cpu_s"] = time.process_time() - start  # includes compilation
    result["message"] = posterior.report.message
    result["peak_gb"] = _peak_gb()
    if n <= MOST_DENSE:
        result |= _against_dense(posterior, pred, new)
    return result


def _against_dense(posterior, pred, new):
    """Time and memory with a dense K for the same hyper-parameters, and differences."""
    rows = posterior.solution.data.rows
    real = np.flatnonzero(rows.mask)
    x, y = rows.x[real], rows.y[real]
    x_new = posterior.scaling.features(jnp.asarray(new))

    @jax.jit
    def solve(x, y, x_new):
        noise = posterior.noise.variance(x, y)
        factor = jnp.linalg.cholesky(posterior.kernel.gram(x, x) + jnp.diag(noise))
        cross = posterior.kernel.gram(x, x_new)
        columns = jnp.concatenate([y[:, None], cross], axis=1)
        half = jax.scipy.linalg.solve_triangular(factor, columns, lower=True)
        mean = half[:, 0] @ half[:, 1:]
        explained = jnp.sum(half[:, 1:] ** 2, axis=0)
        return mean, posterior.kernel.diagonal(x_new) - explained

    compiled = solve.lower(x, y, x_new).compile()
    start = time.process_time()
    mean, variance = jax.block_until_ready(compiled(x, y, x_new))
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
    """A fit, then evidence and smoothing at fixed hyper-parameters without compilation."""
    x, y = sequence(n, 0)
    data = bp.Dataset(_float(x), _float(y))
    model = bp.models.GaussianProcess(solver=bp.models.StateSpace())
    result = _fitted(model, data)[1]
    process = MaternProcess(1.0, 10.0)
    readings = (jnp.asarray(x), jnp.asarray(y), jnp.full(n, 0.01))
    for name in ("log_evidence", "smooth"):
        method = getattr(process, name)
        jax.block_until_ready(method(*readings))
        start = time.process_time()
        jax.block_until_ready(method(*readings))
        result[f"{name}_cpu_s"] = time.process_time() - start
    return result


# Peaks of a GPU from its data sheet: float64 FLOP/s with tensor cores, bytes/s of memory.
PEAKS = {
    "NVIDIA H100 80GB HBM3": (66.9e12, 3.35e12),
    "NVIDIA H200": (66.9e12, 4.8e12),
}


def _seconds(call):
    """Wall seconds of a second call, which needs no compilation."""
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def on_gpu(*, n, num_cells=65536):
    """Cholesky of n rows and features of many cells, as fractions of the GPU's peak."""
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
    result = FITS[job.pop("model")](**job)
    print(json.dumps({"peak_gb": _peak_gb()} | result))
