"""The one question all inference answers: draws from exp(log_joint(parameters, data))."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx

from battprob._typing import Array, Float, PRNGKey
from battprob.inference.report import FitReport

Parameters = TypeVar("Parameters")
LogJoint = Callable[[Parameters, Any], Float[Array, ""]]
Remembering = Callable[[Parameters, Any], tuple[Float[Array, ""], Any]]


class AbstractInference(eqx.Module):
    """A way to explore a log joint density of unconstrained parameters."""

    @abstractmethod
    def run(
        self,
        log_joint: LogJoint,
        initial: Parameters,
        data: Any,
        *,
        key: PRNGKey,
        pilot: Any = None,
        remembering: Remembering | None = None,
    ) -> tuple[Parameters, FitReport]:
        """Draws of the parameters (a leading axis on every leaf; a point is one draw).

        Args:
            log_joint: (parameters, data) -> scalar; a module-level function, so that
                the compiled program is found again.
            initial: parameters, all array leaves real and unconstrained.
            data: arrays that the density depends on.
            key: PRNG key for starts and draws.
            pilot: like `data`, of fewer rows: starts are compared there, and only the
                best of them goes on to all rows. None compares them on `data`.
            remembering: `log_joint` for searches, where a solver inside may start from
                where it ended: the density as closely as a search needs, and the data
                with that place in them.

        Raises:
            FitError: no start reached a finite density.
        """
