"""What an acquisition function is: how much a test at x is worth, given a posterior."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer

from battprob._errors import DataError
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.design._posterior_view import as_rows, lean


class AbstractAcquisition(eqx.Module):
    """Worth of a test: called on a posterior and rows, larger is better.

    The target is to be made large. Values are on the model's scale, the log of the target
    under `transforms.Log`. To write your own: hold arrays, and define `values` in JAX
    operations, and `prepare`.
    """

    @abstractmethod
    def values(self, posterior: Any, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Worth of every row, differentiable; rows and posterior may be tracers."""

    @abstractmethod
    def prepare(
        self,
        posterior: Any,
        reference: ArrayLike,
        *,
        key: PRNGKey,
        pending: ArrayLike | None = None,
    ) -> "AbstractAcquisition":
        """The same acquisition with all that depends on the data filled in.

        Args:
            posterior: what is believed now.
            reference: rows [r d] spread over the space.
            key: PRNG key, for base samples that all candidates share.
            pending: rows [p d] of tests that are still running.

        Raises:
            DataError: the posterior does not give the joint law that is needed.
        """

    def __call__(self, posterior: Any, x: ArrayLike) -> Float[Array, " m"]:
        """Worth of every row of `x` [m d].

        In compiled programs it is `values`; outside of them it is compiled once for all
        numbers of rows in a bucket.
        """
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((posterior, x))):
            return self.values(posterior, jnp.asarray(x))
        rows = as_rows(x)
        padded = pad_rows(jnp.asarray(rows), bucket(len(rows)))
        return _values(self, lean(posterior), padded)[: len(rows)]


class AbstractLogAcquisition(AbstractAcquisition):
    """An acquisition whose value is the log of something positive.

    These can be weighed: by a probability (`Constrained`), by a cost (`PerCost`).
    """


@eqx.filter_jit
def _values(acquisition, posterior, x):
    return acquisition.values(posterior, x)


def prepared(value: Any, acquisition: eqx.Module) -> Any:
    """What `prepare` fills in, or an error where that was not done."""
    if value is None:
        name = type(acquisition).__name__
        raise DataError(
            f"{name} depends on the data: call {name}(...).prepare(posterior, reference, "
            "key=key) first, or let a campaign do it"
        )
    return value
