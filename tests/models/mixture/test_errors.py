"""Specifications and data that a mixture does not support are refused with a remedy."""

import numpy as np
import pytest

import battprob as bp
from battprob import DataError, noise
from battprob.models import (
    BayesianLinear,
    GaussianProcess,
    InducingPoints,
    ProtocolMixture,
)
from tests.models.mixture.problems import MODEL, dataset, simulated

NUTS = bp.inference.NUTS()
UNSUPPORTED = {
    "LatentGP": (
        {"expert": GaussianProcess(noise=noise.LatentGP())},
        r"noise.LatentGP: use noise.LogLinear",
    ),
    "StudentT": (
        {"expert": BayesianLinear(noise.StudentT())},
        "cannot take Student-t",
    ),
    "random effects": (
        {"expert": BayesianLinear(random_effects=True)},
        "experts cannot have random effects",
    ),
    "solver": (
        {"expert": GaussianProcess(solver=InducingPoints(16))},
        "leave out the solver",
    ),
    "inference of the expert": (
        {"expert": BayesianLinear(inference=NUTS)},
        r"ProtocolMixture\(inference=\.\.\.\)",
    ),
    "sampled processes": (
        {"expert": GaussianProcess(), "inference": NUTS},
        "inference needs linear experts",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_specifications_are_refused(name, key):
    settings, message = UNSUPPORTED[name]
    x, _, y = simulated()
    model = ProtocolMixture(**({"num_protocols": 2} | settings))
    with pytest.raises(DataError, match=message):
        model.fit(dataset(x, y), key=key)


def test_labels_outside_the_number_of_protocols_are_refused(key):
    x, _, y = simulated()
    labels = np.where(np.arange(60) == 3, 5, -1)
    with pytest.raises(
        DataError, match="row 3 is on protocol 5, but the mixture has 2"
    ):
        MODEL.fit(dataset(x, y, labels), key=key)


@pytest.mark.parametrize("settings", [{"num_protocols": 0}, {"num_starts": 0}])
def test_numbers_below_one_are_refused(settings):
    with pytest.raises(ValueError, match="at least 1"):
        ProtocolMixture(BayesianLinear(), **settings)
