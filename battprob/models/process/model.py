"""Gaussian process regression: the specification and the posterior."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._effects import over_groups, start_effects
from battprob.models._fields import require_used_fields
from battprob.models._scaling import Scaling, prepare, standardise
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    bound,
    mixture,
)
from battprob.models.process._groups import (
    FeatureNoise,
    GroupedKernel,
    rows_with_groups,
    with_groups,
)
from battprob.models.process.exact import Exact, fit_many
from battprob.models.process.inducing_points import InducingPoints
from battprob.models.process.solver import AbstractSolution, AbstractSolver
from battprob.models.process.state_space import StateSpace
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise

_LARGEST_EXACT = 4000  # distinct rows; an exact fit of so many takes about a minute


class GaussianProcess(AbstractModel):
    r"""$y = f(x) + u_g + \varepsilon$, $f \sim GP(0, k)$, $\varepsilon \sim N(0, \sigma^2(x))$.

    Features and target are standardised inside the model; predictions have the units of
    the data. The hyper-parameters are at their posterior mode (`MAP`, the default) or
    drawn (`Laplace`, `NUTS`). At the mode, predictions still include the posterior
    uncertainty of the noise variance.

    Args:
        kernel: covariance of f.
        noise: how σ² depends on x.
        inference: how the hyper-parameters are found; None is `inference.MAP()`, or the
            stochastic optimiser of the solver.
        solver: how the equations are solved: `Exact()`, `StateSpace()` (one feature, any
            number of rows), `ConjugateGradients()` (tens of thousands of rows) or
            `InducingPoints()` (up to millions). None chooses by the number of rows;
            `posterior.report.message` states the choice and its reason.
        random_effects: True: each group of the dataset has an offset $u_g$.
            Names of features instead of True add a slope per group for each of them. The
            standard deviation between groups is half-normal with scale 1.5 (in standard
            deviations of the target) a priori. For a new group, the variance between
            groups is part of the prediction, reported as `between`.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> posterior = GaussianProcess().fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.01)
        True

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), ch. 2, 5.
    """

    kernel: AbstractKernel
    noise: AbstractNoise
    inference: AbstractInference | None
    solver: AbstractSolver | None
    random_effects: bool | tuple[str | int, ...] = eqx.field(static=True)

    def __init__(
        self,
        kernel: AbstractKernel | None = None,
        noise: AbstractNoise | None = None,
        inference: AbstractInference | None = None,
        *,
        solver: AbstractSolver | None = None,
        random_effects: bool | Sequence[str | int] = False,
    ):
        default = Matern52()
        self.kernel = default if kernel is None else kernel
        self.noise = Constant() if noise is None else noise
        self.inference = inference
        self.solver = solver
        is_flag = isinstance(random_effects, bool)
        self.random_effects = random_effects if is_flag else tuple(random_effects)

    def uses(self, field):
        used = {
            "groups": bool(self.random_effects),
            "noise_variance": self.noise.uses_known(),
        }
        return used.get(field, False)

    def fit(self, dataset, *, key) -> "GaussianProcessPosterior":
        require_used_fields(self, dataset)
        scaling, rows = prepare(dataset, self.noise)
        kernel, noise = bound((self.kernel, self.noise), dataset)
        if self.random_effects:
            effects = start_effects(dataset, self.random_effects)
            kernel, noise = GroupedKernel(kernel, effects), FeatureNoise(noise)
            rows = rows_with_groups(rows, dataset)
        solver, reason = self.solver, ""
        if solver is None:
            solver, reason = _choose_solver(kernel, noise, self.inference, rows)
        solver.require_supported(kernel, noise, self.inference)
        solution, report = solver.fit(
            kernel, noise, rows, inference=self.inference, key=key
        )
        report = dataclasses.replace(report, message=report.message + reason)
        return _posterior(solution, scaling, dataset, report)

    def fit_many(
        self, datasets: Sequence[Dataset], *, key: PRNGKey
    ) -> "list[GaussianProcessPosterior]":
        """Fit each dataset separately in one compiled program (one cell each, for example).

        The results are those of `[model.fit(data, key=key) for data in datasets]`. All
        datasets are padded to the longest, so they should be small and of similar length.

        Args:
            datasets: with the same features.
            key: PRNG key for the starting points, the same for every dataset.

        Raises:
            DataError: features differ, or the model has an inference other than `MAP`, a
                solver other than `Exact`, `LatentGP` noise or random effects.
            FitError: no start reached a finite density for one of them.
        """
        if self.random_effects or not isinstance(self.solver, Exact | None):
            raise DataError(
                "fit_many takes models with solver=Exact() and without random_effects: "
                "fit the datasets one by one"
            )
        for dataset in datasets:
            require_used_fields(self, dataset)
        parts = (self.kernel, self.noise, self.inference)
        fits = fit_many(*parts, datasets, key=key)
        return [
            _posterior(solution, scaling, dataset, report)
            for dataset, (solution, scaling, report) in zip(datasets, fits, strict=True)
        ]


class GaussianProcessPosterior(AbstractGaussianPosterior):
    """Posterior of a Gaussian process.

    With `Exact` and `StateSpace`, the hyper-parameters have a leading axis of draws.
    `log_evidence` is a lower bound for `InducingPoints` and an estimate for
    `ConjugateGradients`.
    """

    solution: AbstractSolution
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    @property
    def kernel(self) -> AbstractKernel:
        """Kernel with its fitted parameters."""
        return self.solution.kernel

    @property
    def noise(self) -> AbstractNoise:
        """Noise model with its fitted parameters."""
        return self.solution.noise

    def condition(self, dataset):
        combined = self.dataset.append(dataset)
        rows = standardise(combined, self.scaling)
        if self.uses_groups:
            rows = rows_with_groups(rows, combined)
        solution, report = self.solution.condition(rows, self.report)
        return _posterior(solution, self.scaling, combined, report)

    @property
    def uses_groups(self):
        return isinstance(self.kernel, GroupedKernel)

    @property
    def function_draws(self):
        return self.solution.function_draws

    def _standardised_predict(self, rows):
        fields = self.solution.predict(self._inputs(rows.x, rows.groups), rows.known)
        if not isinstance(self.kernel, GroupedKernel):
            return mixture(*fields)
        effects = self.kernel.effects
        # Solvers that take the mode have no axis of draws.
        if effects.coordinates.ndim == 1:
            effects = jax.tree.map(lambda leaf: leaf[None], effects)
        variance = jax.vmap(lambda draw: draw.new_group_variance(rows.x))(effects)
        between = jnp.where(rows.groups[None] < 0, variance, 0.0)
        return over_groups(*fields, between[self.function_draws])

    def _standardised_functions(self, rows, key, num):
        x = self._inputs(rows.x, rows.groups)
        return self.solution.sample_functions(x, key, num)

    def _standardised_reference(self, x):
        return self.solution.reference(self._average_group_inputs(x))

    def _standardised_moments(self, x, reference):
        return self.solution.moments(self._average_group_inputs(x), reference)

    def _inputs(self, x, groups):
        return with_groups(x, groups) if self.uses_groups else x

    def _average_group_inputs(self, x):
        return self._inputs(x, jnp.full(len(x), -1))


def _posterior(solution, scaling, dataset, report):
    evidences = solution.log_evidences
    return GaussianProcessPosterior(solution, evidences, scaling, dataset, report)


def _choose_solver(kernel, noise, inference, rows):
    """A solver for this number of rows, and the reason for the report."""
    mask = np.asarray(rows.mask)
    num = len(np.unique(np.asarray(rows.x)[mask], axis=0))
    if num <= _LARGEST_EXACT:
        return Exact(), f"; solver Exact(): {num} distinct rows"
    too_many = f"{num} distinct rows, more than {_LARGEST_EXACT}"
    if _supports(StateSpace(), kernel, noise, inference):
        return StateSpace(), f"; solver StateSpace(): {too_many}, along one feature"
    if _supports(InducingPoints(), kernel, noise, inference):
        return InducingPoints(), f"; solver InducingPoints(): {too_many}"
    return (
        Exact(),
        f"; solver Exact(): {too_many}, but no other solver does {inference}",
    )


def _supports(solver, kernel, noise, inference):
    try:
        solver.require_supported(kernel, noise, inference)
    except DataError:
        return False
    return True
