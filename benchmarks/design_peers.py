"""One loop of a peer: reads tests and results as JSON lines, writes what to test next.

Run by design.py with the peers' Python; see there.
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")


def send(message):
    """One line to whoever asks."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def receive():
    """One line from whoever asked."""
    return json.loads(sys.stdin.readline())


def by_process_mean(x, y):
    """The point of the best posterior mean of a scikit-learn process, among those tested."""
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
    """The sequence that the first points are of, continued."""

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
    """SingleTaskGP, and LogEI or qLogNEI."""

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
    """Each point tested four times: a process of the mean, and one of the log variance.

    What is improved is the mean plus a standard deviation of the noise, both to be small.
    Of the points that all methods begin with, the best two are repeated first.
    """

    def __init__(self, x, seed):
        super().__init__(x, seed, None)

    def ask(self, x, y):
        from botorch.acquisition.logei import qLogExpectedImprovement

        rows, means, variances, counts = self.pooled(x, y)
        begun = (counts > 1) & (counts < _REPEATS)
        if begun.any():
            return rows[np.argmax(begun)].tolist()
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
        """Different points: their mean results, variances, and how often each was tested."""
        rows, place = np.unique(np.array(x), axis=0, return_inverse=True)
        own = [np.array(y)[place.ravel() == i] for i in range(len(rows))]
        means, counts = (
            np.array([v.mean() for v in own]),
            np.array([len(v) for v in own]),
        )
        variances = np.array([v.var(ddof=1) if len(v) > 1 else np.nan for v in own])
        return rows, means, variances, counts

    def models(self, rows, means, variances, counts):
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import ModelListGP, SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        known = counts == _REPEATS

        def fitted(x, y):
            model = SingleTaskGP(self.torch.tensor(x), self.torch.tensor(y)[:, None])
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            return model

        return ModelListGP(
            fitted(rows, -means), fitted(rows[known], np.log(variances[known]))
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
    """Its default recommender, on a continuous space."""

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
        self.campaign, self.frame, self.known = (
            Campaign(space, objective),
            pd.DataFrame,
            0,
        )

    def ask(self, x, y):
        rows = self.frame(x[self.known :], columns=self.names)
        rows["y"] = y[self.known :]
        self.campaign.add_measurements(rows)
        self.known = len(x)
        return self.campaign.recommend(1)[self.names].to_numpy()[0].tolist()

    recommend = staticmethod(by_process_mean)


METHODS = {  # of points, a seed, and whether results are exact
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
    """Ask as often as told to, then recommend."""
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
