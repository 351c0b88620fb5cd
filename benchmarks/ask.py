"""Seconds a campaign takes to say what to test next, and seconds it compiles.

    OMP_NUM_THREADS=1 python benchmarks/ask.py [--peer PYTHON] [--sizes 20 50 100 200 500]
        --json OUT.json
    OMP_NUM_THREADS=1 python benchmarks/ask.py --steps --json OUT.json

Seconds are of one CPU thread, the refit of the model included; ours are those of a
campaign under way, whose programs are compiled. `--steps` times a hundred of them in a
new process instead: set JAX_COMPILATION_CACHE_DIR to a new folder, and
JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0, and run it twice, to see what the second
process saves. The peers (see requirements.txt) are told the same results.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from peer import peer_says

import battprob as bp
from battprob import design

SQUARE = design.Space(*[design.Real(f"x{j}", 0.0, 1.0) for j in range(4)])
PEERS = ("optuna_gp", "botorch")


def surface(points):
    """A smooth function of four numbers, with a little noise."""
    x = np.array([list(point.values()) for point in points])
    noise = np.random.default_rng(len(x)).normal(size=len(x))
    return np.sin(3 * x[:, 0]) + x[:, 1] ** 2 - x[:, 2] * x[:, 3] + 0.05 * noise


def spread(num):
    """Points spread over the space."""
    return SQUARE.decode(SQUARE.sample(num, key=jax.random.key(1)))


def told(num, acquisition):
    """A campaign with `num` results."""
    campaign = design.Campaign.start(
        SQUARE, acquisition=acquisition, key=jax.random.key(0), initial=2
    )
    return campaign.tell(spread(num), surface(spread(num)))


def seconds_of_ours(num, batch, acquisition, repeats=3):
    """The fastest of some asks, each after one more result."""
    campaign = told(num, acquisition)
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
    """Of every (number of results, size of the batch)."""
    tasks = [
        {
            "x": [list(point.values()) for point in spread(num)],
            "y": surface(spread(num)).tolist(),
            "num": batch,
        }
        for num, batch in cases
    ]
    return peer_says(python, "ask_peers.py", kind, tasks)


def asks(options):
    """Seconds by method, of every case."""
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
            own = [s for (_, q), s in zip(cases, seconds, strict=True) if q == batch]
            print(f"{name:11s}", *(f"{s:7.3f}" for s in own))
    return {"cases": cases} | table


def hundred_steps():
    """Seconds of compiling and in all, and how often the largest programs are traced."""
    traced = []

    def listen(event, duration, **details):
        del duration
        if event.endswith("jaxpr_trace_duration"):
            traced.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    campaign = told(10, design.LogEI())
    seconds = []
    for _ in range(100):
        start = time.process_time()
        suggestions = campaign.ask()
        seconds.append(time.process_time() - start)
        campaign = campaign.tell(suggestions, surface(suggestions.points))
    usual = float(np.median(seconds))
    answer = {
        "compiling": sum(max(s - usual, 0) for s in seconds if s > 3 * usual),
        "total": sum(seconds),
        "traces": {name: traced.count(name) for name in ("_best_of_starts", "_climbs")},
    }
    print("a hundred steps:", answer)
    return answer


def main():
    """One of the two questions."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--sizes", nargs="+", type=int, default=[20, 50, 100, 200, 500])
    parser.add_argument("--steps", action="store_true", help="time a hundred asks")
    parser.add_argument("--json", type=pathlib.Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    bp.enable_x64()
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    jax.config.update("jax_compilation_cache_dir", cache)
    answer = hundred_steps() if options.steps else asks(options)
    options.json.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
