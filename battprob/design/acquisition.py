"""The interface of acquisitions, and helpers to write more."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer

from battprob._errors import DataError
from battprob._modules import replace
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.design._posterior_view import as_rows, for_prediction

__all__ = [
    "AbstractAcquisition",
    "AbstractLogAcquisition",
    "AbstractMultiTargetAcquisition",
    "prepared",
    "replace",
]


class AbstractAcquisition(eqx.Module):
    """Value of a test at each row, given a posterior; larger values are better.

    Rows have the columns of `Space.columns`, in their units (as of `Space.encode`); they
    are not standardised. The posterior is on the scale of the model: the target after
    the inverse of its transform (its logarithm under `transforms.Log`), multiplied by
    -1 in a campaign with `maximise=False`. So the target is always maximised.

    To write an acquisition:

    1. Derive from this class. Declare numbers as fields that hold arrays, so that
       another number does not compile a new program. Declare what `prepare` computes as
       fields with the default None.
    2. Define `prepare`. It runs once before each search, outside of compiled programs.
       Return a copy with everything that depends on the data, by `replace(self, ...)`.
       For pending tests, store `mean_fantasies(posterior, pending)`, or
       `draw_fantasies(...)` where the value depends on their outcomes.
    3. Define `values` with JAX operations. `condition_on(posterior, fantasies)` is the
       posterior after the pending tests; `function_marginals(posterior, x)` gives the
       mean and variance of the function, `expected_noise_variance(posterior, x)` the
       variance of the noise of one test. All of them are in `battprob.design`.
    4. Set `needs_function_moments = False` if `posterior.predict` is all that the
       acquisition uses; then it works with every model.
    5. Decorate the class with `@battprob.register`, so that campaigns can save it.
    6. Add the acquisition to the cases in `tests/contract/test_acquisitions.py`.

    `battprob.design.acquisition` has the names that these steps need, apart from the
    functions of `battprob.design`.
    """

    needs_function_moments = True

    @abstractmethod
    def values(self, posterior: Any, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Value of each row, differentiable in `x`.

        This method runs inside of compiled programs: posterior and rows may be tracers,
        and nothing is checked.
        """

    @abstractmethod
    def prepare(
        self,
        posterior: Any,
        reference: ArrayLike,
        *,
        key: PRNGKey,
        pending: ArrayLike | None = None,
    ) -> "AbstractAcquisition":
        """A copy with all quantities that depend on the data.

        Args:
            posterior: posterior of the target, or a tuple of them for acquisitions of
                several targets.
            reference: rows [r d] that cover the space evenly.
            key: PRNG key of the base samples, which all candidates share.
            pending: rows [p d] of tests that have started but have no result yet.

        Raises:
            DataError: the posterior lacks the joint moments that are needed.
        """

    def __call__(self, posterior: Any, x: ArrayLike) -> Float[Array, " m"]:
        """Value of each row of `x` [m d].

        Inside of a compiled program this is `values`. Outside, rows are checked and
        padded, so that one program serves all numbers of rows in a bucket.
        """
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((posterior, x))):
            return self.values(posterior, jnp.asarray(x))
        rows = as_rows(x)
        padded = pad_rows(jnp.asarray(rows), bucket(len(rows)))
        return _values(self, for_prediction(posterior), padded)[: len(rows)]


class AbstractLogAcquisition(AbstractAcquisition):
    """An acquisition whose value is the logarithm of a positive quantity.

    `Constrained` multiplies the quantity by a probability, `PerCost` divides it by a
    cost. To write one, follow the steps of `AbstractAcquisition`.
    """


class AbstractMultiTargetAcquisition(AbstractLogAcquisition):
    """An acquisition of several targets; its posterior is a tuple, one for each target.

    The targets are independent given the rows, and all are maximised. To write one,
    follow the steps of `AbstractAcquisition`.
    """


@eqx.filter_jit
def _values(acquisition, posterior, x):
    return acquisition.values(posterior, x)


def prepared(value: Any, acquisition: eqx.Module) -> Any:
    """`value`, a quantity that `prepare` computes.

    Raises:
        DataError: it is None, because `prepare` was not called.
    """
    if value is None:
        name = type(acquisition).__name__
        raise DataError(
            f"{name} depends on the data: call {name}(...).prepare(posterior, reference, "
            "key=key) first, or use it in a campaign"
        )
    return value
