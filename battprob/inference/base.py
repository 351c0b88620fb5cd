"""The interface of inference: draws from exp(log_joint(parameters, data))."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx

from battprob._parameters import map_parameters, ravel_parameters
from battprob._typing import Array, Float, PRNGKey
from battprob.inference.report import FitReport, stopwatch

__all__ = [
    "AbstractInference",
    "FitReport",
    "LogJoint",
    "Parameters",
    "WarmStarted",
    "map_parameters",
    "ravel_parameters",
    "stopwatch",
]

Parameters = TypeVar("Parameters")
LogJoint = Callable[[Parameters, Any], Float[Array, ""]]
WarmStarted = Callable[[Parameters, Any], tuple[Float[Array, ""], Any]]


class AbstractInference(eqx.Module):
    """A method that explores a log joint density of unconstrained parameters.

    To write your own method:

    1. Subclass `AbstractInference`. Decorate the class with `@battprob.register`, so that
       fitted models can be saved and loaded.
    2. Hold settings as fields: counts and other shapes with `equinox.field(static=True)`.
    3. `run`: turn the initial parameters into a vector by `ravel_parameters`, which leaves
       out the numbers that no fit may change and puts them back afterwards. Compile with
       `equinox.filter_jit` a module-level function that takes `log_joint`, so that data of
       the same shapes compile nothing again.
    4. Return the draws (the structure of `initial`, every leaf with a leading axis of
       draws, fixed numbers repeated) and a `FitReport`; raise `FitError` with the report
       if there is no finite density.
    """

    @abstractmethod
    def run(
        self,
        log_joint: LogJoint,
        initial: Parameters,
        data: Any,
        *,
        key: PRNGKey,
        pilot: Any = None,
        warm_started: WarmStarted | None = None,
    ) -> tuple[Parameters, FitReport]:
        """Draws of the parameters (a leading axis on every leaf; a mode is one draw).

        Args:
            log_joint: (parameters, data) -> scalar; a module-level function, so that
                the compiled program is reused.
            initial: parameters, all array leaves real and unconstrained. Fields declared
                with `fixed_field()` keep their values.
            data: arrays that the density depends on.
            key: PRNG key for initial values and draws.
            pilot: like `data`, with fewer rows. Several starts of an optimiser are
                compared on it, and only the best one continues on all rows. None compares
                them on `data`.
            warm_started: variant of `log_joint` used during optimisation, for a density
                that contains an iterative solver. Returns (log density, data), where data
                carries the solver's last solution as its next initial value; the density
                may be less precise than that of `log_joint`.

        Raises:
            FitError: no start reached a finite density.
        """
