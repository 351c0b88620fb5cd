"""Contract of acquisitions: finite values, exact gradients, no dependence between rows."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, Predictive, design, noise
from battprob.models import GaussianProcess, GaussianProcessClassifier

NAMES = ("rate", "temperature")


class Case(NamedTuple):
    """An acquisition, the name of its posterior, and the effect of pending tests.

    The effect on the value at a pending row is "less" (it decreases), "other" (it
    changes), "same" (it does not change), or "refused" (an error).
    """

    acquisition: Any
    posterior: str = "gp"
    pending: str = "less"


class TwoProtocols(eqx.Module):
    """A mixture of two curves with weights 0.7 and 0.3."""

    slope: jax.Array

    def predict(self, x):
        first, second = jnp.sin(3 * x[:, 0]), self.slope * x[:, 1]
        weight = jnp.log(jnp.array([0.7, 0.3]))[None, :, None]
        return Predictive(jnp.stack([first, second])[None], 0.2, 0.1, weight)


@functools.cache
def posterior(name):
    """The posterior of this name, given 12 noisy tests on the unit square."""
    if name in ("two", "three"):
        return tuple(posterior(one) for one in ("gp", "second", "gp"))[
            : 2 + (name == "three")
        ]
    if name == "protocols":
        return TwoProtocols(jnp.asarray(2.0))
    x = np.random.default_rng(1).uniform(size=(12, 2))
    y = np.sin(5 * x[:, 0]) - (x[:, 1] - 0.4) ** 2
    y += 0.1 * np.random.default_rng(2).normal(size=12)
    model = GaussianProcess(noise=noise.LogLinear(["rate"]))
    if name == "second":
        y = x[:, 1] ** 2 - y
    if name == "classes":
        model, y = GaussianProcessClassifier(), y > 0.2
    return model.fit(Dataset(x, y, feature_names=NAMES), key=jax.random.key(0))


def duration(x):
    """Duration of a test in hours, at least two."""
    return 2 + jax.nn.softplus(x[:, 0])


@functools.cache
def cases():
    """All cases; made once, because some hold a fitted posterior."""
    second = posterior("second")
    return {
        "LogEI": Case(design.LogEI()),
        "LogEI_given": Case(design.LogEI(best=1.0)),
        "LogNEI": Case(design.LogNEI()),
        "LogPI": Case(design.LogPI()),
        "AugmentedEI": Case(design.AugmentedEI()),
        "UCB": Case(design.UCB()),
        "UCB_total": Case(design.UCB(1.0, total=True)),
        "Epistemic": Case(design.Epistemic()),
        "Thompson": Case(design.Thompson(), pending="same"),
        "MaxValueEntropy": Case(design.MaxValueEntropy()),
        "InformationGain": Case(design.InformationGain()),
        "InformationGain_classes": Case(
            design.InformationGain(), "classes", pending="refused"
        ),
        "ComponentInformation": Case(
            design.ComponentInformation(), "protocols", pending="same"
        ),
        "IntegratedVariance": Case(design.IntegratedVariance()),
        "KnowledgeGradient": Case(design.KnowledgeGradient(), pending="other"),
        "RiskAverse": Case(design.RiskAverse(design.LogNEI())),
        "RiskAverse_UCB": Case(design.RiskAverse.value_at_risk(design.UCB(), 0.1)),
        "Constrained": Case(design.Constrained(design.LogEI(), second, upper=0.2)),
        "PerCost": Case(design.PerCost(design.LogNEI(), duration)),
        "LogEHVI": Case(design.LogEHVI([-1.0, -1.0]), "two"),
        "LogEHVI_three": Case(design.LogEHVI([-1.0, -1.0, -1.0]), "three"),
        "LogNEHVI": Case(design.LogNEHVI([-1.0, -1.0]), "two"),
        "LogChebyshevEI": Case(design.LogChebyshevEI([-2.0, -2.0, -2.0]), "three"),
    }


NAMES_OF_CASES = [
    "LogEI",
    "LogEI_given",
    "LogNEI",
    "LogPI",
    "AugmentedEI",
    "UCB",
    "UCB_total",
    "Epistemic",
    "Thompson",
    "MaxValueEntropy",
    "InformationGain",
    "InformationGain_classes",
    "ComponentInformation",
    "IntegratedVariance",
    "KnowledgeGradient",
    "RiskAverse",
    "RiskAverse_UCB",
    "Constrained",
    "PerCost",
    "LogEHVI",
    "LogEHVI_three",
    "LogNEHVI",
    "LogChebyshevEI",
]
each_case = pytest.mark.parametrize("name", NAMES_OF_CASES)

RNG = np.random.default_rng(0)
REFERENCE = RNG.uniform(size=(16, 2))
CANDIDATES = RNG.uniform(size=(8, 2))
PENDING = CANDIDATES[:3]


@functools.cache
def prepared(name, *, pending=False):
    case = cases()[name]
    return case.acquisition.prepare(
        posterior(case.posterior),
        REFERENCE,
        key=jax.random.key(3),
        pending=PENDING if pending else None,
    )


@functools.cache
def program(name):
    """Compiled values and gradients of the prepared acquisition."""
    acquisition, case = prepared(name), cases()[name]

    @eqx.filter_jit
    def run(acquisition, fitted, x):
        values, vjp = jax.vjp(lambda x: acquisition(fitted, x), x)
        return values, vjp(jnp.ones_like(values))[0]

    return lambda x: run(acquisition, posterior(case.posterior), jnp.asarray(x))


def test_the_list_of_names_is_complete():
    assert list(cases()) == NAMES_OF_CASES


@each_case
def test_values_and_gradients_are_finite(name):
    observed = np.asarray(posterior("gp").dataset.x)[:8]
    for x in (CANDIDATES, observed, 1e4 * CANDIDATES):
        values, gradients = program(name)(x)
        assert values.shape == (8,)
        assert np.all(np.isfinite(values))
        assert np.all(np.isfinite(gradients))


@each_case
def test_gradients_equal_finite_differences(name):
    step = 1e-5 * np.random.default_rng(4).normal(size=CANDIDATES.shape)
    up, down = (program(name)(CANDIDATES + sign * step)[0] for sign in (1, -1))
    change = np.sum(program(name)(CANDIDATES)[1] * step, axis=1)
    size = np.abs(up) + 1
    np.testing.assert_allclose(change / size, (up - down) / 2 / size, atol=2e-9)


@each_case
def test_values_do_not_depend_on_compilation_or_other_rows(name):
    fitted = posterior(cases()[name].posterior)
    values = prepared(name)(fitted, CANDIDATES)
    np.testing.assert_allclose(values, program(name)(CANDIDATES)[0], rtol=1e-9)
    order = np.array([3, 1, 0, 2, 7])
    subset = prepared(name)(fitted, CANDIDATES[order])
    np.testing.assert_allclose(subset, np.asarray(values)[order], rtol=1e-9)


@each_case
def test_the_same_key_gives_the_same_values(name):
    case = cases()[name]
    fitted = posterior(case.posterior)
    again = case.acquisition.prepare(fitted, REFERENCE, key=jax.random.key(3))
    values = again(fitted, CANDIDATES), prepared(name)(fitted, CANDIDATES)
    np.testing.assert_array_equal(*values)


@each_case
def test_pending_tests_change_the_value(name):
    case = cases()[name]
    fitted = posterior(case.posterior)
    if case.pending == "refused":
        with pytest.raises(DataError, match="pending tests"):
            prepared(name, pending=True)
        return
    before, after = (
        np.asarray(acquisition(fitted, CANDIDATES))[: len(PENDING)]
        for acquisition in (prepared(name), prepared(name, pending=True))
    )
    if case.pending == "less":
        assert np.all(after < before)
    elif case.pending == "other":
        assert np.all(np.abs(after - before) > 0.1)
    else:
        np.testing.assert_array_equal(after, before)
