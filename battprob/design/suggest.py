"""`suggest`: the next tests from a table of results, in one call."""

import jax
import numpy as np

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.design._observations import Scale
from battprob.design._recommend import choose
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.defaults import default_model
from battprob.design.improvement import LogNEI
from battprob.design.space import Space
from battprob.design.suggestions import Suggestions, explained
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
    """The next `num` tests, given results; nothing is kept between calls.

    Args:
        dataset: results, whose features are `space.columns` (as of `space.encode`).
        space: what may be tested.
        key: PRNG key.
        num: how many tests.
        acquisition: what a test is worth; default `LogNEI()`.
        model: default a Gaussian process.
        maximise: False where small results are good.

    Raises:
        DataError: features of `dataset` are not the columns of `space`.

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
            f"the dataset has features {list(dataset.feature_names)}, the space has columns "
            f"{list(space.columns)}: make x by space.encode(points)"
        )
    scale = Scale(dataset.transform, maximise)
    known = dataset.noise_variance is not None
    model = default_model(known_noise=known) if model is None else model
    key_fit, key_choice = jax.random.split(key)
    posterior = model.fit(_to_be_large(dataset, scale), key=key_fit)
    rows, values = choose(
        LogNEI() if acquisition is None else acquisition,
        posterior,
        space,
        num=num,
        key=key_choice,
        pending=np.zeros((0, space.num_columns)),
        excluded=None if space.repeats else np.asarray(dataset.x),
    )
    ids = tuple(range(1, num + 1))
    plain = Suggestions(
        ids, tuple(space.decode(rows)), dataset.target_name, dataset.target_unit
    )
    return explained(plain, scale.back(posterior.predict(rows)), values)


def _to_be_large(dataset, scale):
    """The dataset on the model's scale, where large is good."""
    padded = dataset.padded()
    y = jax.numpy.asarray(scale.inverse(padded.y))
    return replace(padded, y=y, transform=Identity())
