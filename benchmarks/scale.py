"""Processes for many rows: how good, how long, how much memory; ours beside the peers'.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [friedman noise sizes exact sequence gpu]
        [--peer PYTHON] [--job NAME ...] [--smoke] --json OUT.json [--figure OUT.png]

Every job is a process of its own, whose peak of resident memory is told with what it
imported. What stands in OUT.json is not run again. Peers (pip install torch==2.13.0
gpytorch==1.15.2 scikit-learn==1.9.1 in an environment of their own) get the same data; ours
is float64 but where the name says float32, which GPyTorch's always is. Seconds are of the
CPU, one thread; of ours without compilation, which is told beside.

`friedman`: 20 000 rows under equal noise, to convergence; `noise`: noise that varies, told
at 2 000 rows by the exact process and at 2 000 and 20 000 by the sparse one; `sizes`: time
and memory against rows (sparse ones for 1 000 batches of 1 024 whatever the rows); `exact`:
without K, beside K held; `sequence`: along one feature; `gpu`: fractions of what one can do,
where there is one. There `sizes` runs on it too: with JAX_PLATFORMS=cpu beside it.
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
QUESTIONS = {
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
        for seed in (0, 2, 3)  # 1 is that of the rows to predict
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
LINES = {  # of the figure: what names begin with, and how they are drawn
    "dense": ("exact, K held", "C0", "o-"),
    "iterative": ("exact, by products", "C1", "o-"),
    "sparse": ("sparse, 1 000 batches", "C2", "o-"),
    "sequence": ("along one feature", "C3", "o-"),
    "sklearn": ("scikit-learn", "0.45", "s--"),
    "GPyTorch": ("GPyTorch SVGP, as many", "0.65", "^--"),
}


def run(job, peer):
    """The answer of a process of its own."""
    theirs = job["model"] in PEERS
    script = HERE / ("scale_peers.py" if theirs else "scale_ours.py")
    ran = subprocess.run(
        [peer if theirs else sys.executable, str(script), json.dumps(job)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def _smaller(job):
    less = {"n": min(job["n"], 300)}
    if job["model"] in ("sparse", "svgp"):
        less["steps"] = 50
    return {key: own for key, own in (job | less).items() if key != "per_epoch"}


def _told(answer):
    """An answer in a line, without what was on its way."""
    short = {key: own for key, own in answer.items() if key != "path"}
    return "  ".join(
        f"{key} {own:.4g}" if isinstance(own, float) else f"{key} {own}"
        for key, own in short.items()
    )


def draw(answers, path):
    """Time and memory against rows, both axes logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    kinds = {"cpu_s": "fit: CPU seconds, one thread", "peak_gb": "peak memory / GB"}
    for axis, (kind, label) in zip(axes, kinds.items(), strict=True):
        for first, (name, colour, style) in LINES.items():
            points = sorted(
                (QUESTIONS[question][job]["n"], answer[kind])
                for question in ("sizes", "exact", "sequence")
                for job, answer in answers.items()
                if job in QUESTIONS[question] and job.startswith(first)
            )
            if points:
                axis.loglog(
                    *zip(*points, strict=True), style, color=colour, label=name, ms=4
                )
        axis.set(xlabel="rows", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].set_ylim(0.1, 10)  # with what was imported
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "questions", nargs="*", default=list(QUESTIONS), help=", ".join(QUESTIONS)
    )
    parser.add_argument("--peer", help="a Python that has the peers")
    parser.add_argument("--job", nargs="+", help="names; default: all of the questions")
    parser.add_argument("--smoke", action="store_true", help="small: does it run?")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--figure", type=pathlib.Path)
    options = parser.parse_args()
    answers = json.loads(options.json.read_text()) if options.json.exists() else {}
    answers["threads"] = os.environ.get("OMP_NUM_THREADS", "all")
    for question in options.questions:
        for name, job in QUESTIONS[question].items():
            wanted = options.job is None or name in options.job
            if not wanted or name in answers:
                continue
            if job["model"] in PEERS and not options.peer:
                continue
            answers[name] = run(_smaller(job) if options.smoke else job, options.peer)
            print(f"{name}: {_told(answers[name])}", flush=True)
            options.json.write_text(json.dumps(answers, indent=1) + "\n")
    if options.figure:
        draw(answers, options.figure)


if __name__ == "__main__":
    main()
