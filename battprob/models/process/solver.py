"""The interface between a Gaussian process and the way its equations are solved."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from battprob._errors import DataError
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_uncertainty import NUM_NODES
from battprob.models._scaling import Rows
from battprob.models.base import FunctionMoments
from battprob.noise.base import AbstractNoise


class Prediction(NamedTuple):
    """Gaussian predictive distributions of the standardised target at m rows.

    The first axis has posterior draws and, for each of them, the quadrature nodes of the
    noise variance.
    """

    mean: Float[Array, "k m"]
    noise_variance: Float[Array, "k m"]
    function_variance: Float[Array, "k m"]
    log_weight: Float[Array, "k m"]


class AbstractSolution(eqx.Module):
    r"""Posterior of a Gaussian process given training rows X, y, by posterior draw.

    With $A = K(X, X) + \operatorname{diag}(\sigma^2(X))$, all in standardised units, a
    solution computes

    $$\log p(y) = \log N(y; 0, A),\quad m(x) = k(x, X)A^{-1}y,\quad
    c(x, r) = k(x, r) - k(x, X)A^{-1}k(X, r).$$
    """

    kernel: eqx.AbstractVar[AbstractKernel]
    noise: eqx.AbstractVar[AbstractNoise]
    log_evidences: eqx.AbstractVar[Float[Array, " s"]]

    @abstractmethod
    def condition(
        self, rows: Rows, report: FitReport
    ) -> "tuple[AbstractSolution, FitReport]":
        """The solution for `rows` (old and new) with the same hyper-parameters."""

    @abstractmethod
    def predict(self, x: Float[Array, "m d"], known: Float[Array, " m"]) -> Prediction:
        """m(x), σ²(x) and c(x, x), with quadrature nodes of σ²(x)."""

    @abstractmethod
    def reference(self, x: Float[Array, "r d"]) -> Any:
        """Quantities of reference points that `moments` uses; arrays with first axis r."""

    @abstractmethod
    def moments(self, x: Float[Array, "m d"], reference: Any) -> FunctionMoments:
        """m(x), c(x, x) and c(x, r) for reference points r."""

    @abstractmethod
    def sample_functions(
        self, x: Float[Array, "m d"], key: PRNGKey, num: int
    ) -> Float[Array, "num m"]:
        """Joint draws of f(x) from N(m(x), c(x, x))."""

    @property
    def function_draws(self) -> Int[Array, " k"]:
        """For each draw of `predict`, the index of its draw of `moments`."""
        return jnp.repeat(jnp.arange(len(self.log_evidences)), NUM_NODES)


class AbstractSolver(eqx.Module):
    """How the equations of a Gaussian process are solved: exactly or approximately."""

    @abstractmethod
    def require_supported(
        self,
        kernel: AbstractKernel,
        noise: AbstractNoise,
        inference: AbstractInference | None,
    ) -> None:
        """Raise an error for a combination that this solver does not support.

        Args:
            kernel: bound to the features of the data.
            noise: bound to the features of the data.
            inference: None for the default of the solver.

        Raises:
            DataError: a part is not supported; the message names a solver for it.
        """

    @abstractmethod
    def fit(
        self,
        kernel: AbstractKernel,
        noise: AbstractNoise,
        rows: Rows,
        *,
        inference: AbstractInference | None,
        key: PRNGKey,
    ) -> tuple[AbstractSolution, FitReport]:
        """Fit the hyper-parameters, and return the solution with a report."""


def refuse_inference(solver: AbstractSolver, inference: AbstractInference | None):
    """Raise an error for an inference that the solver would ignore.

    Raises:
        DataError: an inference is given.
    """
    if inference is not None:
        raise DataError(
            f"{type(solver).__name__} has its own optimiser of the hyper-parameters and would "
            f"ignore inference={type(inference).__name__}(): leave inference out, or use "
            "solver=Exact()"
        )
