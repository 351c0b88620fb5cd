"""One fit of another library for scale.py: `scale_peers.py JOB` prints a line of JSON.

GPyTorch: variational process in float32 (its default) with 256 inducing points, initialised at
random rows, optimised by Adam or with natural gradients for q(u). scikit-learn: exact process.
"""

import json
import resource
import sys
import time
import warnings

import numpy as np
from scale_task import friedman, gaussian_nlpd

FLAT = 1e-3  # converged if the mean loss of ten epochs decreases by less than this


def _standard(a):
    return (a - a.mean(0)) / a.std(0)


class SparseProcess:
    """Variational process of GPyTorch for standardised features and targets."""

    def __init__(self, x, y, *, natural, rate, falling):
        import gpytorch
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.x, self.y, self.torch = x, y, torch
        self.inputs, self.targets = self.tensor(_standard(x)), self.tensor(_standard(y))
        start = self.inputs[torch.randperm(len(x))[:256]]
        self.model = _model(gpytorch, start, natural=natural)
        self.likelihood = gpytorch.likelihoods.GaussianLikelihood()
        self.bound = gpytorch.mlls.VariationalELBO(
            self.likelihood, self.model, num_data=len(x)
        )
        rest = self.model.hyperparameters() if natural else self.model.parameters()
        rest = [*rest, *self.likelihood.parameters()]
        self.optimisers = [torch.optim.Adam(rest, lr=rate)]
        if natural:
            variational = self.model.variational_parameters()
            self.optimisers.append(
                gpytorch.optim.NGD(variational, num_data=len(x), lr=0.1)
            )
        schedules = torch.optim.lr_scheduler
        self.schedule = falling and schedules.CosineAnnealingLR(
            self.optimisers[0], falling
        )

    def tensor(self, array):
        """Tensor in float32."""
        return self.torch.tensor(array, dtype=self.torch.float32)

    def epoch(self, most):
        """Run at most `most` batches in random order; return mean loss and their number."""
        self.model.train()
        self.likelihood.train()
        losses = []
        for rows in self.torch.randperm(len(self.x)).split(1024)[:most]:
            for optimiser in self.optimisers:
                optimiser.zero_grad()
            loss = -self.bound(self.model(self.inputs[rows]), self.targets[rows])
            loss.backward()
            for optimiser in self.optimisers:
                optimiser.step()
            losses.append(loss.item())
        if self.schedule:
            self.schedule.step()
        return float(np.mean(losses)), len(losses)

    def score(self):
        """Mean negative log predictive density of new rows."""
        new, y_new, *_ = friedman(5000, 1)
        x_new = self.tensor((new - self.x.mean(0)) / self.x.std(0))
        self.model.eval()
        self.likelihood.eval()
        with self.torch.no_grad():
            pred = self.likelihood(self.model(x_new))
        mean = pred.mean.numpy().astype(float) * self.y.std() + self.y.mean()
        return gaussian_nlpd(y_new, mean, pred.variance.numpy() * self.y.var())


def _model(gpytorch, start, *, natural):
    variational = gpytorch.variational
    distribution = (
        variational.NaturalVariationalDistribution
        if natural
        else variational.CholeskyVariationalDistribution
    )(len(start))

    class Model(gpytorch.models.ApproximateGP):
        def __init__(self):
            super().__init__(
                variational.VariationalStrategy(
                    self, start, distribution, learn_inducing_locations=True
                )
            )
            self.mean = gpytorch.means.ConstantMean()
            matern = gpytorch.kernels.MaternKernel(2.5, ard_num_dims=start.shape[1])
            self.kernel = gpytorch.kernels.ScaleKernel(matern)

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean(x), self.kernel(x)
            )

    return Model()


def svgp(*, n, steps=None, natural=False, falling=None, rate=0.01):
    """Fit for a number of batches, until the learning rate is zero, or to convergence.

    The score is computed every ten epochs.
    """
    x, y, *_ = friedman(n, 0)
    process = SparseProcess(x, y, natural=natural, rate=rate, falling=falling)
    losses, path, seconds, num_batches = [], [], 0.0, 0

    def is_converged():
        if steps is not None:
            return num_batches >= steps
        if falling:
            return len(losses) == falling
        if len(losses) < 20:
            return False
        return np.mean(losses[-20:-10]) - np.mean(losses[-10:]) < FLAT

    while not losses or not is_converged():
        start = time.process_time()
        loss, batches = process.epoch(None if steps is None else steps - num_batches)
        seconds += time.process_time() - start
        losses.append(loss)
        num_batches += batches
        if len(losses) % 10 == 0 and steps is None:
            path.append((len(losses), seconds, process.score()))
    return {
        "cpu_s": seconds,
        "epochs": len(losses),
        "cpu_s_per_epoch": seconds / num_batches * -(-n // 1024),
        "nlpd": process.score(),
        "path": path,
    }


def sklearn_exact(*, n):
    """Exact process with constant noise and one initial point."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    warnings.simplefilter("ignore")
    x, y, *_ = friedman(n, 0)
    kernel = ConstantKernel() * Matern(np.ones(5), (1e-3, 1e3), nu=2.5)
    start = time.process_time()
    model = GaussianProcessRegressor(kernel + WhiteKernel(0.1))
    model.fit(_standard(x), _standard(y))
    return {"cpu_s": time.process_time() - start}


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    fit = {"svgp": svgp, "sklearn": sklearn_exact}[job.pop("model")]
    result = fit(**job)
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps(result))
