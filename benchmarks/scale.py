"""Gaussian processes for many rows: accuracy, time and memory, compared with other libraries.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [friedman noise sizes exact sequence gpu]
        [--peer PYTHON] [--job NAME ...] [--smoke] --json OUT.json [--figure OUT.png]

Every job runs in a separate process; its peak resident memory includes the imported libraries.
Jobs with a result in OUT.json are skipped. The peers (pip install torch==2.13.0 gpytorch==1.15.2
scikit-learn==1.9.1 in a separate environment) get the same data. This package computes in float64
except where the name says float32; GPyTorch computes in float32. Times are CPU seconds for one
thread; compilation is reported separately.

Parts: `friedman` fits 20 000 rows with constant noise to convergence. `noise` fits varying noise
with the exact solver (2 000 rows) and with inducing points (2 000 and 20 000 rows). `sizes` measures
time and memory against the number of rows (inducing points: 1 000 batches of 1 024). `exact`
compares conjugate gradients with a Cholesky factorisation of K. `sequence` has one feature. `gpu`
measures fractions of the peak of a GPU, if there is one. On a machine with a GPU `sizes` uses it
unless JAX_PLATFORMS=cpu is set.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PEERS = ("svgp", "sklearn")


def _job(model, n, **settings):
    return {"model": model, "n": n, **settings}


def _of_sizes(name, model, sizes, **settings):
    return {f"{name}, {n} rows": _job(model, n, **settings) for n in sizes}


_FEW, _MANY = (500, 1000, 2000), (2000, 20_000, 200_000, 1_000_000)
PARTS = {
    "friedman": {
        "sparse, float32": _job("sparse", 20_000, x64=False, per_epoch=True),
        "sparse, float32, 250 steps": _job("sparse", 20_000, x64=False, steps=250),
        "sparse": _job("sparse", 20_000, per_epoch=True),
        "GPyTorch": _job("svgp", 20_000),
        "GPyTorch, natural gradients": _job("svgp", 20_000, natural=True),
        "GPyTorch, falling rate": _job("svgp", 20_000, falling=100, rate=0.02),
    },
    "noise": {
        f"{model} {noise}, {n} rows, seed {seed}": _job(
            model, n, noise=noise, seed=seed, score=True
        )
        for noise in ("log_linear", "latent")
        for model, n in (("dense", 2000), ("sparse", 2000), ("sparse", 20_000))
        for seed in (0, 2, 3)  # seed 1 is used for the test rows
    },
    "sizes": _of_sizes("dense", "dense", _FEW)
    | _of_sizes("sklearn", "sklearn", _FEW)
    | _of_sizes("sparse", "sparse", _MANY, score=False)
    | _of_sizes("GPyTorch", "svgp", _MANY, steps=1000),
    "exact": _of_sizes("iterative", "iterative", (1000, 2000, 4000, 8000, 20_000)),
    "sequence": _of_sizes(
        "sequence", "state_space", (1000, 10_000, 100_000, 1_000_000)
    ),
    "gpu": _of_sizes("GPU", "on_gpu", (16_000, 30_000)),
}
LINES = {  # by the first word of a job's name: label, colour and style in the figure
    "dense": ("exact, Cholesky", "C0", "o-"),
    "iterative": ("exact, conjugate gradients", "C1", "o-"),
    "sparse": ("inducing points, 1 000 batches", "C2", "o-"),
    "sequence": ("state space, one feature", "C3", "o-"),
    "sklearn": ("scikit-learn", "0.45", "s--"),
    "GPyTorch": ("GPyTorch SVGP, 1 000 batches", "0.65", "^--"),
}


def run(job, peer):
    """Result of a job, from a separate process."""
    is_peer = job["model"] in PEERS
    script = HERE / ("scale_peers.py" if is_peer else "scale_ours.py")
    output = subprocess.run(
        [peer if is_peer else sys.executable, str(script), json.dumps(job)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(output.stdout.splitlines()[-1])


def _smaller(job):
    size = {"n": min(job["n"], 300)}
    if job["model"] in ("sparse", "svgp"):
        size["steps"] = 50
    return {key: value for key, value in (job | size).items() if key != "per_epoch"}


def _line(result):
    """A result in one line, without the scores during optimisation."""
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in result.items()
        if key != "path"
    )


def draw(results, path):
    """Draw time and memory against the number of rows on logarithmic axes."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    kinds = {"cpu_s": "fit: CPU seconds, one thread", "peak_gb": "peak memory / GB"}
    for axis, (kind, label) in zip(axes, kinds.items(), strict=True):
        for first, (name, colour, style) in LINES.items():
            points = sorted(
                (PARTS[part][job]["n"], result[kind])
                for part in ("sizes", "exact", "sequence")
                for job, result in results.items()
                if job in PARTS[part] and job.startswith(first)
            )
            if points:
                axis.loglog(
                    *zip(*points, strict=True), style, color=colour, label=name, ms=4
                )
        axis.set(xlabel="rows", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].set_ylim(0.1, 10)  # includes the imported libraries
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run all jobs, print and write the results, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--peer", help="interpreter of an environment with the peers")
    parser.add_argument(
        "--job", nargs="+", help="names; default: all jobs of the parts"
    )
    parser.add_argument("--smoke", action="store_true", help="few rows and steps")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--figure", type=pathlib.Path)
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    results["threads"] = os.environ.get("OMP_NUM_THREADS", "all")
    for part in options.parts:
        for name, job in PARTS[part].items():
            chosen = options.job is None or name in options.job
            if not chosen or name in results:
                continue
            if job["model"] in PEERS and not options.peer:
                continue
            results[name] = run(_smaller(job) if options.smoke else job, options.peer)
            print(f"{name}: {_line(results[name])}", flush=True)
            options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.figure:
        draw(results, options.figure)


if __name__ == "__main__":
    main()
