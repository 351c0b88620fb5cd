"""A fit does not depend on the order, the padding or the units of the rows."""

import dataclasses

import jax
import numpy as np
import pytest

from battprob import Dataset, transforms
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise.latent import has_weights, split
from tests.contract.models import zoo
from tests.fixed import Fixed

each_model = pytest.mark.parametrize("name", zoo.MODELS)
each_fixable = pytest.mark.parametrize("name", zoo.FIXABLE)
X, Y = zoo.numbers()
NEW = np.resize(zoo.numbers(seed=1, num=8)[0], (zoo.NUM, 2))


def _require_same(one, other, **tolerance):
    for a, b in zip(zoo.moments(one), zoo.moments(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@each_model
def test_repeated_rows_reduce_the_epistemic_variance_only(name):
    data = zoo.measured(zoo.MODELS[name])
    once = zoo.fitted(name)
    thrice = once.condition(data).condition(data)
    before, after = once.predict(X), thrice.predict(X)
    assert np.all(after.epistemic < before.epistemic)
    assert after.epistemic.mean() < 0.6 * before.epistemic.mean()
    if has_weights(zoo.MODELS[name].noise):
        return  # equal replicates are evidence of less noise for a flexible noise model
    # The noise variance is less uncertain, so that E[σ²] decreases towards the mode.
    assert after.aleatoric.mean() == pytest.approx(before.aleatoric.mean(), rel=0.25)


# The other models run the same code, with parts that do not depend on the number of rows.
@pytest.mark.parametrize(
    "name", ["linear_known", "gp_log_linear", "gp_known", "gp_latent", "gp_state_space"]
)
def test_padding_has_no_effect(name, key):
    model = dataclasses.replace(zoo.MODELS[name], inference=Fixed())
    data = zoo.measured(model)
    # Two rows more are in the bucket of 64.
    plain, padded = (model.fit(rows, key=key) for rows in (data, data.padded(62)))
    _require_same(padded.predict(NEW), plain.predict(NEW), rtol=1e-6)
    np.testing.assert_allclose(padded.log_evidence, plain.log_evidence)
    more = [posterior.condition(data.take([0, 1])) for posterior in (plain, padded)]
    _require_same(more[0].predict(NEW), more[1].predict(NEW), rtol=1e-6)


@each_model
def test_order_of_rows_does_not_matter(name, key):
    model = zoo.MODELS[name]
    shuffled = zoo.measured(model).take(np.random.default_rng(0).permutation(zoo.NUM))
    posterior = model.fit(shuffled, key=key)
    _require_same(posterior.predict(NEW), zoo.fitted(name).predict(NEW), rtol=1e-4)


@each_model
def test_predictions_scale_with_the_units(name, key):
    model = zoo.MODELS[name]
    slope, offset = np.array([60.0, 1.8]), np.array([5.0, 32.0])
    data = zoo.dataset(model, X * slope + offset, 3.6 * Y - 7, unit=3.6)
    posterior, original = model.fit(data, key=key), zoo.fitted(name)
    pred, expected = posterior.predict(NEW * slope + offset), original.predict(NEW)
    np.testing.assert_allclose(pred.mean, 3.6 * expected.mean - 7, rtol=1e-4)
    np.testing.assert_allclose(pred.aleatoric, 3.6**2 * expected.aleatoric, rtol=1e-4)
    np.testing.assert_allclose(pred.epistemic, 3.6**2 * expected.epistemic, rtol=1e-4)
    jacobian = zoo.NUM * np.log(3.6)
    np.testing.assert_allclose(posterior.log_evidence, original.log_evidence - jacobian)


@pytest.mark.parametrize("model", [BayesianLinear(), GaussianProcess()])
def test_predictions_of_a_logarithmic_target_scale_with_its_unit(model, key):
    cycles = Dataset(X, Y, transform=transforms.Log())
    hours = Dataset(X, 3.6 * Y, transform=transforms.Log())
    a, b = (model.fit(data, key=key) for data in (cycles, hours))
    np.testing.assert_allclose(b.predict(NEW).mean, 3.6 * a.predict(NEW).mean)
    expected = a.log_evidence - zoo.NUM * np.log(3.6)
    np.testing.assert_allclose(b.log_evidence, expected, rtol=1e-5)


@each_fixable
def test_condition_equals_a_fit_of_all_rows(name, key):
    model = dataclasses.replace(zoo.MODELS[name], inference=Fixed())
    first = zoo.measured(model)
    # The same features and targets in other pairs, so that mean and scale are equal.
    second = zoo.dataset(model, X, Y[::-1])
    conditioned = model.fit(first, key=key).condition(second)
    fitted = model.fit(first.append(second), key=key)
    _require_same(conditioned.predict(NEW), fitted.predict(NEW), rtol=1e-7)
    np.testing.assert_allclose(conditioned.log_evidence, fitted.log_evidence)


@each_model
def test_condition_does_not_change_the_hyper_parameters(name):
    before = zoo.fitted(name)
    after = before.condition(zoo.measured(zoo.MODELS[name], seed=1))
    spec = ("kernel", "noise", "parameters", "scaling")
    for field in (field for field in spec if hasattr(before, field)):
        values = [getattr(posterior, field) for posterior in (before, after)]
        if field == "noise":  # weights are not hyper-parameters: they change
            values = [split(head)[0] for head in values]
        same = jax.tree.map(np.array_equal, *values)
        assert all(jax.tree.leaves(same))
    assert np.any(after.predict(NEW).mean != before.predict(NEW).mean)
