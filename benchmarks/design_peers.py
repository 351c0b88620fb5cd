"""Bayesian optimisation with another library; results come from design.py as JSON lines.

Run by design.py with the interpreter of the peers. Writes each suggested test as one line and
reads its result from the next line of standard input.
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")


def send(message):
    """Write one line to the parent process."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def receive():
    """Read one line from the parent process."""
    return json.loads(sys.stdin.readline())


def by_process_mean(x, y):
    """Tested point with the best posterior mean of a scikit-learn Gaussian process."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    x, y = np.array(x), np.array(y)
    kernel = ConstantKernel() * Matern(np.full(x.shape[1], 0.5), nu=2.5) + WhiteKernel()
    model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2)
    mean = model.fit(x, y).predict(x)
    return x[np.argmin(mean)].tolist()


class Random:
    """Uniform points."""

    def __init__(self, x, seed):
        self.dimension, self.rng = len(x[0]), np.random.default_rng(seed)

    def ask(self, x, y):
        del x, y
        return self.rng.uniform(size=self.dimension).tolist()

    recommend = staticmethod(by_process_mean)


class Sobol:
    """The Sobol sequence of the initial points, continued."""

    def __init__(self, x, seed):
        from scipy.stats import qmc

        self.points = qmc.Sobol(len(x[0]), seed=seed).random(64)

    def ask(self, x, y):
        del y
        return self.points[len(x)].tolist()

    recommend = staticmethod(by_process_mean)


class Optuna:
    """A sampler of Optuna."""

    def __init__(self, x, seed, sampler, *, exact=False):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kinds = {
            "tpe": optuna.samplers.TPESampler,
            "gp": optuna.samplers.GPSampler,
        }
        extra = {"deterministic_objective": exact} if sampler == "gp" else {}
        self.study = optuna.create_study(sampler=kinds[sampler](seed=seed, **extra))
        self.names = [f"u{j}" for j in range(len(x[0]))]
        uniform = optuna.distributions.FloatDistribution(0, 1)
        self.space = dict.fromkeys(self.names, uniform)
        self.make, self.trial = optuna.trial.create_trial, None

    def ask(self, x, y):
        if self.trial is None:
            for row, value in zip(x, y, strict=True):
                params = dict(zip(self.names, row, strict=True))
                self.study.add_trial(
                    self.make(params=params, distributions=self.space, value=value)
                )
        else:
            self.study.tell(self.trial, y[-1])
        self.trial = self.study.ask(self.space)
        return [self.trial.params[name] for name in self.names]

    recommend = staticmethod(by_process_mean)


class BoTorch:
    """SingleTaskGP with LogEI or qLogNEI."""

    def __init__(self, x, seed, acquisition):
        import torch

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.torch, self.acquisition = torch, acquisition
        self.bounds = torch.tensor([[0.0] * len(x[0]), [1.0] * len(x[0])]).double()

    def fit(self, x, y):
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        x = self.torch.tensor(x).double()
        y = -self.torch.tensor(y).double()[:, None]
        model = SingleTaskGP(x, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return model, x, y

    def best(self, acquisition):
        from botorch.optim import optimize_acqf

        row, _ = optimize_acqf(
            acquisition, self.bounds, q=1, num_restarts=10, raw_samples=512
        )
        return row[0].tolist()

    def ask(self, x, y):
        from botorch.acquisition import LogExpectedImprovement
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement

        model, x, y = self.fit(x, y)
        if self.acquisition == "logei":
            return self.best(LogExpectedImprovement(model, best_f=y.max()))
        return self.best(qLogNoisyExpectedImprovement(model, x))

    def recommend(self, x, y):
        from botorch.acquisition import PosteriorMean

        return self.best(PosteriorMean(self.fit(x, y)[0]))


class Replicates(BoTorch):
    """Four tests at each point; Gaussian processes for the mean and the log variance.

    The objective is the mean plus one standard deviation of the noise, to be minimised.
    The best two of the initial points are repeated first.
    """

    def __init__(self, x, seed):
        super().__init__(x, seed, None)

    def ask(self, x, y):
        from botorch.acquisition.logei import qLogExpectedImprovement

        rows, means, variances, counts = self.pooled(x, y)
        incomplete = (counts > 1) & (counts < _REPEATS)
        if incomplete.any():
            return rows[np.argmax(incomplete)].tolist()
        if np.sum(counts == _REPEATS) < 2:
            return rows[np.argmin(np.where(counts == 1, means, np.inf))].tolist()
        model = self.models(rows, means, variances, counts)
        utility = self.utility(model, self.torch.tensor(rows))
        acquisition = qLogExpectedImprovement(
            model, best_f=utility.max(), objective=self.objective()
        )
        return self.best(acquisition)

    def recommend(self, x, y):
        model = self.models(*self.pooled(x, y))
        dimension = len(x[0])
        grid = self.torch.quasirandom.SobolEngine(dimension, seed=0).draw(8192)
        utility = self.utility(model, grid.double())
        return grid[int(utility.argmax())].tolist()

    def pooled(self, x, y):
        """Distinct points with the mean, variance and number of their results."""
        rows, index = np.unique(np.array(x), axis=0, return_inverse=True)
        values = [np.array(y)[index.ravel() == i] for i in range(len(rows))]
        means = np.array([v.mean() for v in values])
        counts = np.array([len(v) for v in values])
        variances = np.array([v.var(ddof=1) if len(v) > 1 else np.nan for v in values])
        return rows, means, variances, counts

    def models(self, rows, means, variances, counts):
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import ModelListGP, SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        complete = counts == _REPEATS

        def fitted(x, y):
            model = SingleTaskGP(self.torch.tensor(x), self.torch.tensor(y)[:, None])
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            return model

        return ModelListGP(
            fitted(rows, -means), fitted(rows[complete], np.log(variances[complete]))
        )

    def objective(self):
        from botorch.acquisition.objective import GenericMCObjective

        def utility(z, X=None):
            del X
            return z[..., 0] - (0.5 * z[..., 1]).exp()

        return GenericMCObjective(utility)

    def utility(self, model, rows):
        with self.torch.no_grad():
            mean = model.posterior(rows).mean
        return mean[:, 0] - (0.5 * mean[:, 1]).exp()


class BayBE:
    """The default recommender of BayBE on a continuous space."""

    def __init__(self, x, seed):
        import pandas as pd
        import torch
        from baybe import Campaign
        from baybe.parameters import NumericalContinuousParameter
        from baybe.searchspace import SearchSpace
        from baybe.targets import NumericalTarget

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.names = [f"u{j}" for j in range(len(x[0]))]
        parameters = [NumericalContinuousParameter(n, (0, 1)) for n in self.names]
        space = SearchSpace.from_product(parameters)
        objective = NumericalTarget("y", minimize=True).to_objective()
        self.campaign = Campaign(space, objective)
        self.frame, self.num_added = pd.DataFrame, 0

    def ask(self, x, y):
        rows = self.frame(x[self.num_added :], columns=self.names)
        rows["y"] = y[self.num_added :]
        self.campaign.add_measurements(rows)
        self.num_added = len(x)
        return self.campaign.recommend(1)[self.names].to_numpy()[0].tolist()

    recommend = staticmethod(by_process_mean)


METHODS = {  # arguments: points, seed, whether results are exact
    "random": lambda x, seed, _: Random(x, seed),
    "sobol": lambda x, seed, _: Sobol(x, seed),
    "optuna_tpe": lambda x, seed, _: Optuna(x, seed, "tpe"),
    "optuna_gp": lambda x, seed, exact: Optuna(x, seed, "gp", exact=exact),
    "botorch_logei": lambda x, seed, _: BoTorch(x, seed, "logei"),
    "botorch_qlognei": lambda x, seed, _: BoTorch(x, seed, "qlognei"),
    "botorch_replicates": lambda x, seed, _: Replicates(x, seed),
    "baybe": lambda x, seed, _: BayBE(x, seed),
}


_REPEATS = 4


def main() -> None:
    """Suggest the requested number of tests, then recommend a point."""
    task = receive()
    x, y = task["x"], task["y"]
    begin = time.process_time()
    method = METHODS[sys.argv[1]](x, task["seed"], task["exact"])
    for _ in range(task["num"]):
        x.append(method.ask(x, y))
        send(x[-1])
        y.append(receive())
    send([method.recommend(x, y), time.process_time() - begin])


if __name__ == "__main__":
    main()
