"""`Campaign.start` and `suggest` refuse parts of the wrong kind by name."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, design
from battprob.design import Campaign, Real, Space, _parts
from battprob.models import (
    BayesianLinear,
    GaussianProcess,
    GaussianProcessClassifier,
    ProtocolMixture,
)
from battprob.models.base import AbstractModel
from tests.fakes import FakePosterior

KEY = jax.random.key(0)
SPACE = Space(Real("rate", 1.0, 8.0))


@pytest.mark.parametrize(
    ("check", "argument", "message"),
    [
        (
            _parts.require_key,
            0,
            r"key must be .*got 0: pass key=jax.random.key\(seed\)",
        ),
        (_parts.require_key, None, r"key must be .*got None"),
        (
            _parts.require_key,
            jnp.zeros(2, jnp.uint32),
            r"key must be .*got an array uint32\[2\]",
        ),
        (_parts.require_key, jax.random.split(KEY, 3), r"key must be .*\[3\]"),
        (
            _parts.require_space,
            Real("rate", 1, 8),
            "space must be an instance of Space",
        ),
        (
            _parts.require_model,
            GaussianProcess,
            r"model must be .* got the class GaussianProcess: .* GaussianProcess\(\)",
        ),
        (
            _parts.require_model,
            "gp",
            r"model must be an instance of AbstractModel; got",
        ),
        (
            _parts.require_acquisition,
            design.LogEI,
            r"acquisition must be .* got the class LogEI: pass an instance, LogEI\(\)",
        ),
        (
            _parts.require_acquisition,
            design.BatchLogNEI(),
            r"acquisition must value single tests; BatchLogNEI .* pass .* LogNEI\(\)",
        ),
        (
            _parts.require_acquisition,
            design.LogEHVI([0.0, 0.0]),
            r"acquisition must value one target; LogEHVI .* LogNEI\(\)",
        ),
        (
            _parts.require_acquisition,
            max,
            "acquisition must be an instance of Abstract",
        ),
    ],
)
def test_the_wrong_kind_is_refused_with_the_remedy(check, argument, message):
    with pytest.raises(TypeError, match=message):
        check(argument)


def test_a_fitted_posterior_is_not_a_model():
    posterior = BayesianLinear().fit(Dataset(np.arange(5.0), np.arange(5.0)), key=KEY)
    message = "model must be .* a fitted posterior: pass the model itself"
    with pytest.raises(TypeError, match=message):
        _parts.require_model(posterior)


def test_a_model_without_function_moments_is_refused():
    mixture = ProtocolMixture(BayesianLinear(), 2)
    message = (
        r"model must have joint moments .*\(function_moments\) for LogNEI; .* "
        r"ProtocolMixture has none: pass for example GaussianProcess\(\)"
    )
    with pytest.raises(TypeError, match=message):
        Campaign.start(SPACE, key=KEY, model=mixture)
    acquisition = design.ComponentInformation()
    campaign = Campaign.start(SPACE, key=KEY, model=mixture, acquisition=acquisition)
    assert len(campaign.ask(2)) == 2


def test_a_classifier_is_refused():
    message = "model must predict numbers; GaussianProcessClassifier predicts classes"
    with pytest.raises(TypeError, match=message):
        Campaign.start(SPACE, key=KEY, model=GaussianProcessClassifier())


class Unannotated(AbstractModel):
    """A model of a user, without an annotation of what `fit` returns."""

    def uses(self, field):
        return False

    def fit(self, dataset, *, key):
        return FakePosterior(None)


def test_a_model_without_annotation_is_refused_after_its_first_fit():
    campaign = Campaign.start(SPACE, key=KEY, model=Unannotated(), initial=2)
    campaign = campaign.tell([{"rate": 2.0}, {"rate": 3.0}], [1.0, 2.0])
    with pytest.raises(TypeError, match="the posterior of Unannotated has none"):
        campaign.ask()


@pytest.mark.parametrize("model", [GaussianProcess(), BayesianLinear()])
def test_models_with_function_moments_are_accepted(model):
    _parts.require_matching_model(model, design.LogNEI())


def test_users_see_the_errors_of_both_entry_points():
    """In a process without the runtime type checker of these tests."""
    code = """
import jax, numpy as np
from battprob import Dataset, design
space = design.Space(design.Real("rate", 1.0, 8.0))
data = Dataset(np.arange(1.0, 5.0), np.arange(4.0), feature_names=["rate"])
key = jax.random.key(0)
for mistake in (
    lambda: design.Campaign.start(space),
    lambda: design.Campaign.start(space, key=0),
    lambda: design.Campaign.start("space", key=key),
    lambda: design.Campaign.start(space, key=key, acquisition=design.UCB),
    lambda: design.Campaign.start(space, key=key, acquisition=design.BatchUCB()),
    lambda: design.Campaign.start(space, key=key, model=3),
    lambda: design.suggest(data, space, key=0),
    lambda: design.suggest(data, space, key=key, acquisition=design.UCB),
    lambda: design.suggest(data, space, key=key, model=3),
):
    try:
        mistake()
    except TypeError as error:
        print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    lines = out.stdout.splitlines()
    starts = [
        "Campaign.start() missing 1 required keyword-only argument: 'key'",
        "key must be a JAX PRNG key; got 0: pass key=jax.random.key(seed)",
        "space must be an instance of Space; got 'space': pass an instance",
        "acquisition must be an instance of AbstractAcquisition; got the class UCB",
        "acquisition must value single tests; BatchUCB values whole batches",
        "model must be an instance of AbstractModel; got 3: pass an instance",
        "key must be a JAX PRNG key; got 0: pass key=jax.random.key(seed)",
        "acquisition must be an instance of AbstractAcquisition; got the class UCB",
        "model must be an instance of AbstractModel; got 3: pass an instance",
    ]
    assert len(lines) == len(starts), out.stdout
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
