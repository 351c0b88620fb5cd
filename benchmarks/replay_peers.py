"""Optimisation over the rows of a measured table with another library.

Run by replay.py with the interpreter of the peers. Reads a task as JSON (features of all rows in the
unit cube and, for every run, the results of all rows and the initial rows) and writes the rows
tested in every run.
"""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def nearest(rows, remaining, point):
    """The untested row closest to a point."""
    return int(remaining[np.argmin(((rows[remaining] - point) ** 2).sum(1))])


class Optuna:
    """GPSampler over the unit cube; the untested row nearest to its point is tested."""

    def __init__(self, rows, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.rows = rows
        self.names = [f"u{j}" for j in range(rows.shape[1])]
        uniform = optuna.distributions.FloatDistribution(0, 1)
        self.space = dict.fromkeys(self.names, uniform)
        sampler = optuna.samplers.GPSampler(seed=seed)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.make = optuna.trial.create_trial
        self.abandoned = optuna.trial.TrialState.FAIL
        self.num = 0

    def ask(self, chosen, y, remaining):
        """Next row; results are reported at the rows tested, not at its own points."""
        for row in chosen[self.num :]:
            params = dict(zip(self.names, self.rows[row].tolist(), strict=True))
            self.study.add_trial(
                self.make(params=params, distributions=self.space, value=float(y[row]))
            )
        self.num = len(chosen)
        trial = self.study.ask(self.space)
        self.study.tell(trial, state=self.abandoned)
        point = np.array([trial.params[name] for name in self.names])
        return nearest(self.rows, remaining, point)


class BoTorch:
    """SingleTaskGP and LogEI, evaluated at every untested row."""

    def __init__(self, rows, seed):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.rows = torch.tensor(rows)

    def ask(self, chosen, y, remaining):
        """The untested row with the largest LogEI."""
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        values = torch.tensor(y[chosen])[:, None]
        values = (values - values.mean()) / values.std()
        model = SingleTaskGP(self.rows[chosen], values, outcome_transform=None)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        score = LogExpectedImprovement(model, values.max())
        with torch.no_grad():
            return int(remaining[int(score(self.rows[remaining][:, None]).argmax())])


PEERS = {"optuna_gp": Optuna, "botorch_logei": BoTorch}


def main():
    """Run all runs of one peer on one table."""
    task, kind = json.load(sys.stdin), sys.argv[1]
    rows = np.array(task["rows"])
    orders = []
    for run in task["runs"]:
        chosen, y = list(run["first"]), np.array(run["y"])
        peer = PEERS[kind](rows, run["seed"])
        for _ in range(task["steps"]):
            remaining = np.setdiff1d(np.arange(len(rows)), chosen)
            chosen.append(peer.ask(chosen, y, remaining))
        orders.append(chosen)
    print(json.dumps(orders))


if __name__ == "__main__":
    main()
