"""Peers that search a measured table: reads what is known as JSON, writes the rows they test.

Run by replay.py with the peers' Python; see there. A task has the features of all rows
in the unit cube, and for every run the results (one for each row) and the rows tested
first.
"""

import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def nearest(rows, left, point):
    """The untested row closest to a point."""
    return int(left[np.argmin(((rows[left] - point) ** 2).sum(1))])


class Optuna:
    """Its Gaussian process over the unit cube; the nearest untested row is tested."""

    def __init__(self, rows, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.rows = rows
        self.names = [f"u{j}" for j in range(rows.shape[1])]
        uniform = optuna.distributions.FloatDistribution(0, 1)
        self.space = dict.fromkeys(self.names, uniform)
        sampler = optuna.samplers.GPSampler(seed=seed)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.make, self.given_up = (
            optuna.trial.create_trial,
            optuna.trial.TrialState.FAIL,
        )
        self.num = 0

    def ask(self, chosen, y, left):
        """Told at the rows tested, not at the points asked for."""
        for row in chosen[self.num :]:
            params = dict(zip(self.names, self.rows[row].tolist(), strict=True))
            self.study.add_trial(
                self.make(params=params, distributions=self.space, value=float(y[row]))
            )
        self.num = len(chosen)
        trial = self.study.ask(self.space)
        self.study.tell(trial, state=self.given_up)
        point = np.array([trial.params[name] for name in self.names])
        return nearest(self.rows, left, point)


class BoTorch:
    """Its default process and LogEI of every untested row."""

    def __init__(self, rows, seed):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.rows = torch.tensor(rows)

    def ask(self, chosen, y, left):
        """The untested row with the largest LogEI."""
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        told = torch.tensor(y[chosen])[:, None]
        told = (told - told.mean()) / told.std()
        model = SingleTaskGP(self.rows[chosen], told, outcome_transform=None)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        score = LogExpectedImprovement(model, told.max())
        with torch.no_grad():
            return int(left[int(score(self.rows[left][:, None]).argmax())])


PEERS = {"optuna_gp": Optuna, "botorch_logei": BoTorch}


def main():
    """All runs of one peer on one table."""
    task, kind = json.load(sys.stdin), sys.argv[1]
    rows = np.array(task["rows"])
    orders = []
    for run in task["runs"]:
        chosen, y = list(run["first"]), np.array(run["y"])
        peer = PEERS[kind](rows, run["seed"])
        for _ in range(task["steps"]):
            left = np.setdiff1d(np.arange(len(rows)), chosen)
            chosen.append(peer.ask(chosen, y, left))
        orders.append(chosen)
    print(json.dumps(orders))


if __name__ == "__main__":
    main()
