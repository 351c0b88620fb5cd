"""Checks of the parts of a campaign: the space, the key, the model, the acquisition.

Each refuses an argument by name, before anything is computed.
"""

import inspect
import typing
from typing import Any

import jax
import jax.numpy as jnp

from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.design.acquisition import (
    AbstractAcquisition,
    AbstractMultiTargetAcquisition,
)
from battprob.design.batch_acquisition import AbstractBatchAcquisition
from battprob.design.space import Space
from battprob.models.base import (
    AbstractClassPosterior,
    AbstractModel,
    AbstractPosterior,
)


def require_key(key: Any) -> None:
    """Refuse a key that is not one JAX PRNG key.

    Raises:
        TypeError: with the remedy.
    """
    is_array = isinstance(key, jax.Array)
    if is_array and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
        return
    given = f"an array {key.dtype}{list(key.shape)}" if is_array else repr(key)
    raise TypeError(
        f"key must be a JAX PRNG key; got {given}: pass key=jax.random.key(seed)"
    )


def require_space(space: Any) -> None:
    """Refuse an object that is not a space.

    Raises:
        TypeError: with the remedy.
    """
    if not isinstance(space, Space):
        raise TypeError(
            f"space must be an instance of Space; got {_described(space)}, for example "
            'Space(Real("rate", 1.0, 8.0))'
        )


def require_model(model: Any) -> None:
    """Refuse an object that is not a model.

    Raises:
        TypeError: with the remedy.
    """
    if isinstance(model, AbstractModel):
        return
    if isinstance(model, AbstractPosterior):
        given = f"{type(model).__name__}, a fitted posterior: pass the model itself"
    else:
        given = f"{_described(model)}, for example GaussianProcess()"
    raise TypeError(f"model must be an instance of AbstractModel; got {given}")


def require_acquisition(acquisition: Any) -> None:
    """Refuse an object that is not an acquisition of one test and one target.

    Raises:
        TypeError: with the remedy.
    """
    name = type(acquisition).__name__
    if isinstance(acquisition, AbstractBatchAcquisition):
        raise TypeError(
            f"acquisition must value single tests; {name} values whole batches: pass a "
            "sequential acquisition such as LogNEI(), with which ask(num) chooses batches"
        )
    if isinstance(acquisition, AbstractMultiTargetAcquisition):
        raise TypeError(
            f"acquisition must value one target; {name} values several, and a campaign "
            "has one: pass an acquisition of one target such as LogNEI()"
        )
    if not isinstance(acquisition, AbstractAcquisition):
        raise TypeError(
            "acquisition must be an instance of AbstractAcquisition; got "
            f"{_described(acquisition)}, for example LogNEI()"
        )


def require_matching_model(
    model: AbstractModel, acquisition: AbstractAcquisition
) -> None:
    """Refuse a model whose posterior an acquisition cannot use.

    The class of the posterior is read from the annotation of `model.fit`. A model without
    one is refused after the first fit, by `fit_for`.

    Raises:
        TypeError: with the remedy.
    """
    try:
        kind = typing.get_type_hints(type(model).fit).get("return")
    except NameError:  # the annotation names a class that is not imported
        return
    if isinstance(kind, type) and not inspect.isabstract(kind):
        _require_posterior(kind, model, acquisition)


def fit_for(
    acquisition: AbstractAcquisition,
    model: AbstractModel,
    dataset: Dataset,
    *,
    key: PRNGKey,
) -> AbstractPosterior:
    """The posterior of `model`, refused if the acquisition cannot use it.

    Raises:
        TypeError: with the remedy.
    """
    posterior = model.fit(dataset, key=key)
    _require_posterior(type(posterior), model, acquisition)
    return posterior


def _require_posterior(kind, model, acquisition):
    name = type(model).__name__
    if issubclass(kind, AbstractClassPosterior):
        raise TypeError(
            f"model must predict numbers; {name} predicts classes: pass a regression "
            "model, for example GaussianProcess()"
        )
    if acquisition.needs_function_moments and not hasattr(kind, "function_moments"):
        raise TypeError(
            "model must have joint moments of its function (function_moments) for "
            f"{type(acquisition).__name__}; the posterior of {name} has none: pass for "
            "example GaussianProcess() or BayesianLinear()"
        )


def _described(value):
    """What was given, and the remedy."""
    if isinstance(value, type):
        return f"the class {value.__name__}: pass an instance, {value.__name__}()"
    return f"{value!r}: pass an instance"
