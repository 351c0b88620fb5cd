"""Every model uses a field of a dataset or refuses it by name."""

import numpy as np
import pytest

from battprob import DataError, Dataset, noise
from battprob.models import (
    BayesianLinear,
    BayesianLogistic,
    GaussianProcess,
    GaussianProcessClassifier,
    ProtocolMixture,
)
from tests.contract.models import zoo

X, Y = zoo.numbers()
FIELDS = {
    "groups": {"groups": np.arange(zoo.NUM) % 4},
    "noise_variance": {"noise_variance": np.ones(zoo.NUM)},
    "censored": {"censored": np.arange(zoo.NUM) == 3},
    "protocol": {"protocol": np.arange(zoo.NUM) % 2},
}
MODELS = {
    **zoo.MODELS,
    "linear_groups": BayesianLinear(random_effects=True),
    "gp_groups": GaussianProcess(random_effects=True),
    "gp_classifier": GaussianProcessClassifier(),
    "logistic": BayesianLogistic(),
    "logistic_groups": BayesianLogistic(random_effects=True),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", MODELS)
def test_an_unused_field_is_refused(name, field, key):
    model = MODELS[name]
    if model.uses(field):
        return
    y = np.median(Y) < Y if "classifier" in name or "logistic" in name else Y
    data = Dataset(X, y, feature_names=zoo.NAMES, **FIELDS[field])
    message = f"{type(model).__name__} would ignore {field} of the dataset: "
    with pytest.raises(DataError, match=message):
        model.fit(data, key=key)


@pytest.mark.parametrize("field", ["groups", "noise_variance", "protocol"])
def test_a_field_can_be_removed(field, key):
    data = Dataset(X, Y, feature_names=zoo.NAMES, **FIELDS[field])
    assert getattr(data.without(field), field) is None
    assert data.without(field).group_names == ()


def test_censored_labels_cannot_be_removed():
    with pytest.raises(DataError, match="without takes groups, noise_variance, protoc"):
        Dataset(X, Y, **FIELDS["censored"]).without("censored")


def test_which_fields_are_used():
    assert BayesianLinear(random_effects=True).uses("groups")
    assert BayesianLinear().uses("censored")
    assert GaussianProcess(noise=noise.Known()).uses("noise_variance")
    assert ProtocolMixture(BayesianLinear()).uses("protocol")
    assert not GaussianProcess().uses("groups")
