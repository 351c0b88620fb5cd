"""Acquisition values compared with those of BoTorch for the same posterior.

    python benchmarks/design_values.py [--peer PYTHON] --json OUT.json

BoTorch (pip install torch==2.13.0 botorch==0.18.1) gets means and variances at a few candidates,
up to a hundred standard deviations below the best, and returns its analytic values. The largest
differences are printed; tests/design/test_peer_values.py has the values of BoTorch.
"""

import json
import pathlib
import subprocess

import jax.numpy as jnp
import numpy as np

import battprob as bp
from battprob import design
from battprob._modules import replace
from battprob.cli.arguments import Parser
from battprob.design.hypervolume import boxes_of

PEER = """
import json, sys
import torch
from botorch.acquisition import analytic
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.models.model import Model
from botorch.posteriors import GPyTorchPosterior
from botorch.utils.multi_objective.box_decompositions.non_dominated import (
    FastNondominatedPartitioning,
)
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
torch.set_default_dtype(torch.float64)
task = {k: torch.tensor(v) for k, v in json.load(sys.stdin).items()}


class Fixed(Model):
    def __init__(self, mean, variance):
        super().__init__()
        self.mean, self.variance = mean, variance
    @property
    def num_outputs(self):
        return self.mean.shape[-1]
    def posterior(self, X, **kwargs):
        rows = X[..., 0, 0].long()
        marginals = [
            MultivariateNormal(self.mean[rows][:, None, j], torch.diag_embed(self.variance[rows][:, None, j]))
            for j in range(self.num_outputs)
        ]
        if len(marginals) == 1:
            return GPyTorchPosterior(marginals[0])
        return GPyTorchPosterior(MultitaskMultivariateNormal.from_independent_mvns(marginals))


X = torch.arange(len(task["mean"])).double()[:, None, None]
one = Fixed(task["mean"][:, :1], task["variance"][:, :1])
best = task["best"]
answer = {
    "LogEI": analytic.LogExpectedImprovement(one, best_f=best)(X),
    "LogPI": analytic.LogProbabilityOfImprovement(one, best_f=best)(X),
    "UCB": analytic.UpperConfidenceBound(one, beta=4.0)(X),
    "Constrained": analytic.LogConstrainedExpectedImprovement(
        Fixed(task["mean"], task["variance"]), best_f=best, objective_index=0,
        constraints={1: [None, task["upper"].item()]})(X),
}
for num in (2, 3):
    worst, front = task["worst"][:num], task["front"][:, :num]
    boxes = FastNondominatedPartitioning(worst, Y=front)
    gain = ExpectedHypervolumeImprovement(Fixed(task["mean"][:, :num], task["variance"][:, :num]), worst.tolist(), boxes)
    answer[f"LogEHVI_{num}"] = gain(X).log()
answer = {k: v.tolist() for k, v in answer.items()}
print(json.dumps(answer))
"""


class Fixed:
    """A posterior with given means and variances."""

    def __init__(self, mean, variance):
        self.mean, self.variance = jnp.asarray(mean), jnp.asarray(variance)

    def predict(self, x):
        rows = x[:, 0].astype(int)
        return bp.Predictive.gaussian(self.mean[rows], 0.0, self.variance[rows])


TASK = {
    "mean": [[0.3, 0.1, 0.2], [1.2, -0.4, 0.9], [-2.0, 1.5, 0.4], [-99.0, -9.0, -5.0]],
    "variance": [[0.5, 0.2, 0.1], [0.01, 1.3, 0.4], [2.0, 0.3, 0.7], [1.0, 1.0, 1.0]],
    "best": 1.0,
    "upper": 0.5,
    "worst": [-1.0, -1.0, -1.0],
    "front": [[0.0, 0.5, 0.8], [0.6, -0.2, 0.1], [0.2, 0.1, 0.9]],
}


def ours():
    """Values of the acquisition functions of this package."""
    mean, variance = np.transpose(TASK["mean"]), np.transpose(TASK["variance"])
    targets = [Fixed(m, v) for m, v in zip(mean, variance, strict=True)]
    x = jnp.arange(4.0)[:, None]
    best = TASK["best"]
    single = {
        "LogEI": design.LogEI(best),
        "LogPI": design.LogPI(best),
        "UCB": design.UCB(2.0),
        "Constrained": design.Constrained(
            design.LogEI(best), targets[1], upper=TASK["upper"]
        ),
    }
    values = {name: each.values(targets[0], x) for name, each in single.items()}
    for num in (2, 3):
        worst = jnp.asarray(TASK["worst"][:num])
        front = np.asarray(TASK["front"])[None, :, :num]
        acquisition = replace(design.LogEHVI(worst), boxes=boxes_of(front, worst))
        values[f"LogEHVI_{num}"] = acquisition.values(tuple(targets[:num]), x)
    return {name: np.asarray(value).tolist() for name, value in values.items()}


def main() -> None:
    """Compare the values, print and write the differences."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peer", help="interpreter of an environment with BoTorch")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    results = {"battprob": ours()}
    if options.peer:
        out = subprocess.run(
            [options.peer, "-W", "ignore", "-c", PEER],
            input=json.dumps(TASK),
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        results["botorch"] = json.loads(out.splitlines()[-1])
        for name, value in results["botorch"].items():
            finite = np.isfinite(value)  # hypervolumes of BoTorch underflow
            theirs = np.array(value)[finite]
            difference = np.abs(theirs - np.array(results["battprob"][name])[finite])
            relative = difference / np.maximum(np.abs(theirs), 1)
            print(f"{name:14s}{np.max(relative):10.1e}")
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
