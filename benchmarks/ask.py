"""CPU seconds in which a campaign suggests the next test, and seconds of compilation.

    OMP_NUM_THREADS=1 python benchmarks/ask.py [--peer PYTHON] [--sizes 20 50 100 200 500]
        --json OUT.json
    OMP_NUM_THREADS=1 python benchmarks/ask.py --steps --json OUT.json

Times are for one CPU thread and include refitting the model; ours exclude compilation.
`--steps` instead times a hundred suggestions in a new process. To measure the compilation
cache, set JAX_COMPILATION_CACHE_DIR to a new folder and
JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 and run it twice: the second process reads the
cache. The peers (see requirements.txt) get the same results.
"""

import json
import os
import pathlib
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from peer import run_peer

import battprob as bp
from battprob import design
from battprob.cli.arguments import Parser

SQUARE = design.Space(*[design.Real(f"x{j}", 0.0, 1.0) for j in range(4)])
PEERS = ("optuna_gp", "botorch")


def surface(points):
    """A smooth function of four numbers, with a little noise."""
    x = np.array([list(point.values()) for point in points])
    noise = np.random.default_rng(len(x)).normal(size=len(x))
    return np.sin(3 * x[:, 0]) + x[:, 1] ** 2 - x[:, 2] * x[:, 3] + 0.05 * noise


def sobol_points(num):
    """Points of a Sobol sequence."""
    return SQUARE.decode(SQUARE.sample(num, key=jax.random.key(1)))


def campaign_with_results(num, acquisition):
    """A campaign with `num` results."""
    campaign = design.Campaign.start(
        SQUARE, acquisition=acquisition, key=jax.random.key(0), initial=2
    )
    return campaign.tell(sobol_points(num), surface(sobol_points(num)))


def seconds_of_ours(num, batch, acquisition, repeats=3):
    """Shortest time of several suggestions, each after one more result."""
    campaign = campaign_with_results(num, acquisition)
    campaign.ask(batch)
    seconds = []
    for repeat in range(repeats):
        points = SQUARE.decode(SQUARE.sample(1, key=jax.random.key(repeat)))
        campaign = campaign.tell(points, surface(points))
        start = time.process_time()
        campaign.ask(batch)
        seconds.append(time.process_time() - start)
    return min(seconds)


def seconds_of_peer(python, kind, cases):
    """Time of a peer for every case (number of results, batch size)."""
    tasks = [
        {
            "x": [list(point.values()) for point in sobol_points(num)],
            "y": surface(sobol_points(num)).tolist(),
            "num": batch,
        }
        for num, batch in cases
    ]
    return run_peer(python, "ask_peers.py", kind, tasks)


def asks(options):
    """Time of every method in every case."""
    cases = [(num, batch) for batch in (1, 4) for num in options.sizes]
    table = {
        name: [seconds_of_ours(*case, acquisition) for case in cases]
        for name, acquisition in (
            ("LogEI", design.LogEI()),
            ("LogNEI", design.LogNEI()),
        )
    }
    if options.peer is not None:
        table |= {kind: seconds_of_peer(options.peer, kind, cases) for kind in PEERS}
    for batch in (1, 4):
        print(f"q = {batch}, n =", *(f"{num:7d}" for num in options.sizes))
        for name, seconds in table.items():
            times = [s for (_, q), s in zip(cases, seconds, strict=True) if q == batch]
            print(f"{name:11s}", *(f"{s:7.3f}" for s in times))
    return {"cases": cases} | table


def hundred_steps():
    """Compilation time, total time, and number of traces of the largest programs."""
    traced = []

    def listen(event, duration, **details):
        del duration
        if event.endswith("jaxpr_trace_duration"):
            traced.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    campaign = campaign_with_results(10, design.LogEI())
    seconds = []
    for _ in range(100):
        start = time.process_time()
        suggestions = campaign.ask()
        seconds.append(time.process_time() - start)
        campaign = campaign.tell(suggestions, surface(suggestions.points))
    median = float(np.median(seconds))
    result = {
        "compiling": sum(max(s - median, 0) for s in seconds if s > 3 * median),
        "total": sum(seconds),
        "traces": {
            name: traced.count(name) for name in ("_best_of_starts", "_optimise")
        },
    }
    print("a hundred steps:", result)
    return result


def main():
    """Time suggestions or a hundred steps."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--peer", metavar="PYTHON", help="interpreter of an environment with the peers"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[20, 50, 100, 200, 500])
    parser.add_argument(
        "--steps", action="store_true", help="time a hundred suggestions in one process"
    )
    parser.add_argument("--json", type=pathlib.Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    bp.enable_x64()
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    jax.config.update("jax_compilation_cache_dir", cache)
    result = hundred_steps() if options.steps else asks(options)
    options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
