"""New numbers in a specification compile nothing again, and fits keep those not learned."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset
from battprob._parameters import FIXED, select
from battprob.inference import MAP, Laplace
from battprob.inference.report import _compile_seconds
from battprob.kernels import (
    RBF,
    Arrhenius,
    Categorical,
    ConstantMean,
    Linear,
    Matern32,
    Matern52,
)
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known, LatentGP, LogLinear, StudentT
from battprob.priors import Horseshoe
from tests.contract.models import zoo

# Specifications as a function of one number, above 2 for the degrees of freedom.
SPECIFICATIONS = {
    "rbf": lambda value: RBF(value, value),
    "matern": lambda value: Matern52(log_variance_prior_std=value),
    "linear": Linear,
    "categorical": lambda value: Categorical(["rate"], value),
    "constant mean": ConstantMean,
    "arrhenius": lambda value: Arrhenius(Linear(value), 1) * ConstantMean(value),
    "constant": lambda value: Constant(prior_mean=-value, prior_std=value),
    "log linear": lambda value: LogLinear(prior_mean=-value, prior_std=value),
    "latent": lambda value: LatentGP(Matern32(log_variance_prior_std=value)),
    "student t": lambda value: StudentT(degrees_of_freedom=value),
    "sum": lambda value: Known() + StudentT(Constant(prior_std=value)),
}
X, KNOWN = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2))), jnp.ones(4)


def _values(part):
    """Numbers that a kernel or noise model computes."""
    if hasattr(part, "gram"):
        return part.log_prior(), part.gram(X, X)
    return part.log_prior(), part.variance(X, KNOWN), jax.tree.leaves(part)


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_two_values_have_one_trace_and_different_results(name):
    traced_once = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(_values))
    one, other = (
        traced_once(SPECIFICATIONS[name](value).bind(zoo.NAMES)) for value in (2.5, 4.5)
    )
    assert not eqx.tree_equal(one, other)


def test_two_values_of_a_prior_have_one_trace_and_different_results():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def scales(prior):
        return prior.scales()

    names = tuple("abcdefghijklmnop")
    one, other = (scales(Horseshoe(p).bind(names, 32)) for p in (2.5, 4.5))
    assert np.all(one < other)


FITS = {
    "process": lambda value: GaussianProcess(
        Matern52(log_variance_prior_std=value) + ConstantMean(value),
        Constant(prior_mean=-value, prior_std=value),
        inference=MAP(2, max_steps=int(40 * value)),
    ),
    "linear": lambda value: BayesianLinear(
        StudentT(degrees_of_freedom=2 + value),
        prior=Horseshoe(value),
        inference=Laplace(4, MAP(1)),
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_with_other_numbers_compiles_nothing(name, key):
    x, y = zoo.numbers()
    data = Dataset(x, y, feature_names=zoo.NAMES)
    before = FITS[name](0.5).fit(data, key=key).predict(x).mean
    compiled = _compile_seconds()
    seconds = compiled[0]
    after = FITS[name](1.0).fit(data, key=key).predict(x).mean
    assert compiled[0] == seconds
    assert np.any(np.asarray(before) != np.asarray(after))


# The inducing points of "gp_latent" are rows of the data.
@pytest.mark.parametrize("name", sorted(zoo.MODELS.keys() - {"gp_latent"}))
def test_fits_keep_the_numbers_that_are_not_learned(name, key):
    model = zoo.MODELS[name]
    numbers = jax.tree.map(
        lambda leaf: 0.77 * jnp.ones_like(leaf), select(model, FIXED)
    )
    model = eqx.combine(numbers, model)
    posterior = model.fit(zoo.measured(model), key=key)
    leaves = jax.tree.leaves(select(posterior, FIXED))
    assert leaves
    for leaf in leaves:
        np.testing.assert_array_equal(leaf, np.full_like(leaf, 0.77))
