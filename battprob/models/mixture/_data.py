"""A dataset as mixtures see it: what each row's protocol is known to be, and one expert."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._padding import pad_rows
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.dataset._validation import UNKNOWN
from battprob.models._scaling import Rows
from battprob.models.base import bound
from battprob.models.linear._rows import bound_prior
from battprob.models.linear.regression import BayesianLinear
from battprob.models.mixture._bound import MixtureData
from battprob.models.mixture._common import Common
from battprob.models.mixture._experts import (
    AbstractExpert,
    LinearExpert,
    ProcessExpert,
)
from battprob.models.process.exact import GaussianProcess


def bound_expert(
    spec: BayesianLinear | GaussianProcess, dataset: Dataset, num_rows: int
) -> AbstractExpert:
    """The hyper-parameters of a specification, bound to the features of a dataset."""
    if isinstance(spec, GaussianProcess):
        kernel, noise = bound((spec.kernel, spec.noise), dataset)
        return ProcessExpert(kernel=kernel, noise=noise)
    (noise,) = bound((spec.noise,), dataset)
    prior = bound_prior(spec.prior, dataset, num_rows)
    return LinearExpert(common=Common(prior), noise=noise)


def with_protocols(dataset: Dataset) -> Dataset:
    """The dataset, every row's protocol not known if there is none."""
    if dataset.protocol is not None:
        return dataset
    unknown = jnp.asarray(np.full(dataset.num_rows, UNKNOWN, np.int32))
    where = {"where": lambda data: data.protocol, "is_leaf": lambda leaf: leaf is None}
    return eqx.tree_at(pytree=dataset, replace=unknown, **where)


def require_labels(dataset: Dataset, most: int) -> int:
    """How many protocols the known ones need at least.

    Raises:
        DataError: a row is on a protocol that there is not.
    """
    labels = np.asarray(dataset.protocol)[np.asarray(dataset.mask)]
    if np.any(labels >= most):
        row = np.argmax(labels >= most)
        raise DataError(
            f"row {row} is on protocol {labels[row]}, but there are {most}, numbered "
            "from 0: raise num_protocols"
        )
    return int(labels.max()) + 1


def mixture_data(dataset: Dataset, rows: Rows, num: int) -> MixtureData:
    """Standardised rows beside the protocols that are known of them."""
    labels = np.asarray(pad_rows(np.asarray(dataset.protocol), len(rows.y)))
    labels = np.where(np.asarray(rows.mask), labels, UNKNOWN)
    return MixtureData(rows, jnp.asarray(labels), jnp.ones(num, rows.y.dtype))


def num_free(data: MixtureData) -> int:
    """How many protocols have no known row."""
    known = np.unique(np.asarray(data.labels))
    return len(np.setdiff1d(np.arange(len(data.active)), known))


def side_by_side(
    old: Float[Array, "... n"],
    new: Float[Array, "... m"],
    num_old: int,
    num_new: int,
    length: int,
) -> Float[Array, "... l"]:
    """Shares of old and new rows on one axis, padding after both."""
    parts = (np.asarray(old)[..., :num_old], np.asarray(new)[..., :num_new])
    joined = np.concatenate(parts, axis=-1)
    room = [(0, 0)] * (joined.ndim - 1) + [(0, length - joined.shape[-1])]
    return jnp.asarray(np.pad(joined, room))
