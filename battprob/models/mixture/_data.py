"""Datasets and specifications of experts as mixtures use them."""

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._modules import replace
from battprob._padding import pad_rows
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.dataset._validation import UNKNOWN
from battprob.models._scaling import Rows
from battprob.models.base import bound
from battprob.models.linear._density import bound_prior
from battprob.models.linear.regression import BayesianLinear
from battprob.models.mixture._experts import (
    AbstractExpert,
    LinearExpert,
    ProcessExpert,
)
from battprob.models.mixture._hierarchy import HierarchicalPrior
from battprob.models.mixture._parameters import MixtureData
from battprob.models.process.model import GaussianProcess


def bound_expert(
    model: BayesianLinear | GaussianProcess, dataset: Dataset, num_rows: int
) -> AbstractExpert:
    """The expert of a specification, bound to the features of a dataset."""
    if isinstance(model, GaussianProcess):
        kernel, noise = bound((model.kernel, model.noise), dataset)
        return ProcessExpert(kernel=kernel, noise=noise)
    (noise,) = bound((model.noise,), dataset)
    prior = bound_prior(model.prior, dataset, num_rows)
    return LinearExpert(hierarchy=HierarchicalPrior(prior), noise=noise)


def with_protocols(dataset: Dataset) -> Dataset:
    """The dataset with all protocols unknown if it has none."""
    if dataset.protocol is not None:
        return dataset
    unknown = jnp.asarray(np.full(dataset.num_rows, UNKNOWN, np.int32))
    return replace(dataset, protocol=unknown)


def num_labelled_protocols(dataset: Dataset, max_protocols: int) -> int:
    """Smallest number of protocols that contains all known ones.

    Raises:
        DataError: a row has a protocol that is not below `max_protocols`.
    """
    labels = np.asarray(dataset.protocol)[np.asarray(dataset.mask)]
    if np.any(labels >= max_protocols):
        row = np.argmax(labels >= max_protocols)
        raise DataError(
            f"row {row} is on protocol {labels[row]}, but the mixture has "
            f"{max_protocols}, numbered from 0: increase num_protocols"
        )
    return int(labels.max()) + 1


def mixture_data(dataset: Dataset, rows: Rows, num_protocols: int) -> MixtureData:
    """Standardised rows and the known protocols, all of them active."""
    labels = np.asarray(pad_rows(np.asarray(dataset.protocol), len(rows.y)))
    labels = np.where(np.asarray(rows.mask), labels, UNKNOWN)
    active = jnp.ones(num_protocols, rows.y.dtype)
    return MixtureData(rows, jnp.asarray(labels), active)


def num_free_protocols(data: MixtureData) -> int:
    """Number of protocols without a labelled row."""
    labelled = np.unique(np.asarray(data.labels))
    return len(np.setdiff1d(np.arange(len(data.active)), labelled))


def concatenated(
    old: Float[Array, "... n"],
    new: Float[Array, "... m"],
    num_old: int,
    num_new: int,
    length: int,
) -> Float[Array, "... l"]:
    """Responsibilities for old and then new rows, with the padding moved to the end."""
    blocks = (np.asarray(old)[..., :num_old], np.asarray(new)[..., :num_new])
    joined = np.concatenate(blocks, axis=-1)
    padding = [(0, 0)] * (joined.ndim - 1) + [(0, length - joined.shape[-1])]
    return jnp.asarray(np.pad(joined, padding))
