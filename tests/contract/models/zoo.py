"""The models of the contract tests, and data of one shape for them."""

import functools

import jax
import numpy as np

from battprob import Dataset, noise
from battprob.inference import MAP, Laplace
from battprob.kernels import RBF, Linear, Matern12, Matern32
from battprob.models import (
    BayesianLinear,
    ConjugateGradients,
    GaussianProcess,
    InducingPoints,
    ProtocolMixture,
    SoftmaxGate,
    StateSpace,
)

MODELS = {
    "linear": BayesianLinear(),
    "linear_known": BayesianLinear(
        noise.Known() + noise.LogLinear(["rate"]), inference=Laplace()
    ),
    "gp": GaussianProcess(),
    "gp_log_linear": GaussianProcess(
        Matern32(log_variance_prior_std=1.0) + Linear(), noise.LogLinear()
    ),
    "gp_known": GaussianProcess(
        RBF(features=["rate"]) * Matern12(features=["temperature"]),
        noise.Known() + noise.Constant(),
    ),
    # Few steps, because each solves for the latent noise; the contract does not need more.
    "gp_latent": GaussianProcess(
        noise=noise.LatentGP(features=["rate"]),
        inference=MAP(num_starts=1, max_steps=60),
    ),
    "gp_laplace": GaussianProcess(inference=Laplace(num_draws=8)),
    "mixture": ProtocolMixture(
        BayesianLinear(), 2, SoftmaxGate(["temperature"]), num_starts=2
    ),
    "mixture_gp": ProtocolMixture(
        GaussianProcess(noise=noise.Known() + noise.Constant()),
        2,
        shared=True,
        num_starts=2,
    ),
    "gp_inducing_points": GaussianProcess(solver=InducingPoints(16, num_steps=50)),
    "gp_conjugate_gradients": GaussianProcess(
        solver=ConjugateGradients(rank=8, tolerance=1e-10)
    ),
    "gp_state_space": GaussianProcess(Matern32(features=["rate"]), solver=StateSpace()),
}
# Models whose hyper-parameters come from `inference` alone, so that tests can fix them.
# With fixed ones, "gp_laplace" is "gp".
FIXABLE = [
    name
    for name, model in MODELS.items()
    if not any(part in name for part in ("mixture", "inducing", "conjugate", "laplace"))
]
NAMES = ("rate", "temperature")
# Every length is a program, so the tests use few: this many rows to fit and to predict
# and, after `condition`, twice or three times as many, which are in the next bucket.
NUM = 20
NUM_DRAWS = 20_000


def dataset(model, x, y, unit=1.0):
    """A dataset, with measured variances (in `unit` squared) if the model uses them.

    For mixtures, the rows alternate between two protocols.
    """
    known = unit**2 * np.linspace(4.0, 16.0, len(x))
    known = known if model.noise.uses_known() else None
    protocol = np.arange(len(x)) % 2 if isinstance(model, ProtocolMixture) else None
    return Dataset(x, y, noise_variance=known, protocol=protocol, feature_names=NAMES)


def numbers(seed=0, num=NUM):
    """Features of different scale, and a target that is linear in them plus noise."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(num, 2))
    y = 300 + 40 * z[:, 0] - 15 * z[:, 1] + 10 * rng.normal(size=num)
    return z * np.array([1.0, 5.0]) + np.array([0.0, 100.0]), y


def measured(model, seed=0):
    """The features of `numbers`, with other targets for another seed."""
    return dataset(model, numbers()[0], numbers(seed)[1])


@functools.cache
def fitted(name):
    """The model called `name`, fitted to `measured` once for all tests."""
    model = MODELS[name]
    return model.fit(measured(model), key=jax.random.key(0))


# The first two rows are close together.
ROWS = numbers()[0].copy()
ROWS[1] = ROWS[0] + [1e-4, 5e-4]


def draw(posterior, seed):
    return np.asarray(
        posterior.sample_functions(ROWS, key=jax.random.key(seed), num=NUM_DRAWS)
    )


@functools.cache
def draws(name):
    """Joint draws of the function at `ROWS`."""
    return draw(fitted(name), 0)


def moments(predictive):
    return predictive.mean, predictive.aleatoric, predictive.epistemic
