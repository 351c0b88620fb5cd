"""Interface of the inference of circuits."""

from abc import abstractmethod

import equinox as eqx

from battprob._typing import PRNGKey
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.problem import Problem


class AbstractCircuitInference(eqx.Module):
    """Inference of the parameters of a circuit from spectra.

    To write your own:

    1. Subclass `AbstractCircuitInference`; its settings are fields.
    2. Define `run(problem, key=)`. `problem` holds checked spectra in ohm, frequencies
       ascending in Hz, with the circuit, noise model and likelihood.
    3. Return a `CircuitPosterior` whose `mixture` describes the unconstrained
       parameters (logarithms, logits of parameters with two bounds) of every spectrum.
       The simplest way is to start from `posterior = Laplace().run(problem, key=key)`
       and to replace fields of `posterior.mixture` with `equinox.tree_at`.
    4. Raise `battprob.FitError` if the fit of a spectrum fails.
    5. Use it as `Circuit(..., inference=Own())`.
    """

    @abstractmethod
    def run(self, problem: Problem, *, key: PRNGKey) -> CircuitPosterior:
        """The posterior of every spectrum of the problem.

        Args:
            problem: spectra and model.
            key: PRNG key for starting values and draws.

        Raises:
            FitError: the fit of a spectrum failed.
        """
