"""CPU seconds in which another library suggests the next tests.

Run by ask.py with the interpreter of the peers. Reads a JSON list of tasks (results at points
of the unit cube, and the number of tests to suggest) and writes the seconds for each task.
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")


def botorch(x, y, num):
    """SingleTaskGP with LogEI for one test or qLogNEI for several."""
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    x, y = torch.tensor(x), torch.tensor(y)[:, None]
    model = SingleTaskGP(x, y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    bounds = torch.stack([torch.zeros(x.shape[1]), torch.ones(x.shape[1])]).double()
    acquisition = (
        LogExpectedImprovement(model, y.max())
        if num == 1
        else qLogNoisyExpectedImprovement(model, x, prune_baseline=True)
    )
    return optimize_acqf(acquisition, bounds, q=num, num_restarts=10, raw_samples=512)


def optuna_gp(x, y, num):
    """GPSampler, which suggests one test after another."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.GPSampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    names = [f"x{j}" for j in range(x.shape[1])]
    space = dict.fromkeys(names, optuna.distributions.FloatDistribution(0, 1))
    for row, value in zip(x.tolist(), y.tolist(), strict=True):
        params = dict(zip(names, row, strict=True))
        trial = optuna.trial.create_trial(
            params=params, distributions=space, value=value
        )
        study.add_trial(trial)
    return [study.ask(space).params for _ in range(num)]


PEERS = {"botorch": botorch, "optuna_gp": optuna_gp}


def seconds(peer, task):
    """CPU seconds of the second of two calls; the first one loads libraries."""
    for _ in range(2):
        start = time.process_time()
        peer(np.array(task["x"]), np.array(task["y"]), task["num"])
    return time.process_time() - start


def main():
    """Run all tasks with one peer."""
    peer = PEERS[sys.argv[1]]
    print(json.dumps([seconds(peer, task) for task in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
