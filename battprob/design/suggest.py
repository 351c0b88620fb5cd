"""`suggest`: the next tests from a table of results, in one call."""

import jax
import numpy as np

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.design._observations import ModelScale
from battprob.design._parts import (
    fit_for,
    require_acquisition,
    require_key,
    require_matching_model,
    require_model,
)
from battprob.design._recommend import choose
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.defaults import default_model
from battprob.design.improvement import LogNEI
from battprob.design.space import Space
from battprob.design.suggestions import Suggestions, with_prediction
from battprob.models.base import AbstractModel
from battprob.transforms import Identity


def suggest(
    dataset: Dataset,
    space: Space,
    *,
    key: PRNGKey,
    num: int = 1,
    acquisition: AbstractAcquisition | None = None,
    model: AbstractModel | None = None,
    maximise: bool = True,
) -> Suggestions:
    """The next `num` tests, given a data set of results; nothing is stored.

    Args:
        dataset: results; its features are the columns of `space`, `x` is
            `space.encode(points)`.
        space: points that can be tested.
        key: PRNG key.
        num: number of tests.
        acquisition: acquisition of a test; default `LogNEI()`.
        model: model of the results; default `default_model()`.
        maximise: False if the target is to be minimised.

    Raises:
        DataError: the features of `dataset` are not the columns of `space`.
        TypeError: `key`, `model` or `acquisition` is of the wrong kind.

    Example:
        >>> import jax, numpy as np
        >>> from battprob.design import UCB, Real
        >>> rate = np.array([1.0, 3.0, 5.0, 7.0])
        >>> data = Dataset(rate, 900 - 20 * (rate - 4) ** 2, feature_names=["rate"])
        >>> space = Space(Real("rate", 1.0, 8.0, unit="1/h"))
        >>> tests = suggest(data, space, key=jax.random.key(0), acquisition=UCB(0.5))
        >>> bool(2 < tests.points[0]["rate"] < 6)
        True
    """
    if dataset.feature_names != space.columns:
        raise DataError(
            f"the dataset has the features {list(dataset.feature_names)}, the space the "
            f"columns {list(space.columns)}: make x with space.encode(points) and pass "
            "feature_names=space.columns"
        )
    require_key(key)
    scale = ModelScale(dataset.transform, maximise)
    known = dataset.noise_variance is not None
    model = default_model(known_noise=known) if model is None else model
    acquisition = LogNEI() if acquisition is None else acquisition
    require_model(model)
    require_acquisition(acquisition)
    require_matching_model(model, acquisition)
    key_fit, key_choice = jax.random.split(key)
    data = _on_model_scale(dataset, scale)
    posterior = fit_for(acquisition, model, data, key=key_fit)
    rows, values = choose(
        acquisition,
        posterior,
        space,
        num=num,
        key=key_choice,
        pending=np.zeros((0, space.num_columns)),
        excluded=None if space.repeats else np.asarray(dataset.x),
    )
    ids = tuple(range(1, num + 1))
    points = tuple(space.decode(rows))
    plain = Suggestions(ids, points, dataset.target_name, dataset.target_unit)
    return with_prediction(plain, scale.to_target(posterior.predict(rows)), values)


def _on_model_scale(dataset, scale):
    """The data set with its target on the scale of the model, where it is maximised."""
    padded = dataset.padded()
    y = jax.numpy.asarray(scale.from_target(padded.y))
    return replace(padded, y=y, transform=Identity())
