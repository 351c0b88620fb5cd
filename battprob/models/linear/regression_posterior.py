"""Posterior of Bayesian linear regression."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.inference.report import FitReport
from battprob.models._scaling import Rows, Scaling, standardise
from battprob.models.base import AbstractGaussianPosterior, mixture
from battprob.models.linear import _draws
from battprob.models.linear._censored_labels import CensoredLabels, is_censored
from battprob.models.linear._coefficients import Coefficients
from battprob.models.linear._conjugate import Weights
from battprob.models.linear._density import LinearParameters
from battprob.models.linear._leave_one_out import LeaveOneOut, left_out
from battprob.models.linear._rows import LinearRows, group_codes, linear_rows
from battprob.noise.student import student_t_parts


class BayesianLinearPosterior(AbstractGaussianPosterior):
    """Posterior of `BayesianLinear`; the hyper-parameters have a leading axis of draws.

    Attributes:
        log_weight: log posterior weight of each draw: zeros for random draws, those of
            the quadrature for nodes.
        log_mass: log prior mass of each draw, zero for random draws. The mean over the
            draws of exp(log evidence + log mass) is the marginal likelihood.
    """

    parameters: LinearParameters
    rows: LinearRows
    weights: Weights
    log_weight: Float[Array, " s"]
    log_mass: Float[Array, " s"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        if np.any(is_censored(dataset)):
            raise DataError(
                "the posterior cannot be conditioned on censored or interval labels, "
                "whose true values are parameters of the fit: fit to all rows"
            )
        if student_t_parts(self.parameters.noise):
            raise DataError(
                "the posterior cannot be conditioned on rows with Student-t noise, whose "
                "precisions are parameters of the fit: fit to all rows"
            )
        together = self.dataset.append(dataset)
        standard = standardise(together, self.scaling, row_parameters=True)
        rows = fitted_rows(together, standard, self.parameters, self.rows.censored)
        weights, log_evidences = _draws.factorise(self.parameters, rows)
        return BayesianLinearPosterior(
            parameters=self.parameters,
            rows=rows,
            weights=weights,
            log_weight=self.log_weight,
            log_mass=self.log_mass,
            log_evidences=log_evidences + self.log_mass,
            scaling=self.scaling,
            dataset=together,
            report=self.report,
        )

    @property
    def coefficients(self) -> Coefficients:
        """Intercept and slopes in the units of the data.

        A slope is the change of the target, on the model's scale (log life, under
        `transforms.Log`), per unit of the feature. The table has posterior means, standard
        deviations and 90 % intervals.
        """
        x_mean, x_scale = self.scaling.x_mean, self.scaling.x_scale
        # The intercept is the function at x = 0 of the data, not of standardised features.
        origin = self.scaling.features(jnp.zeros_like(x_mean)[None])
        slopes = jnp.eye(len(x_mean), dtype=x_mean.dtype) / x_scale[:, None]
        intercept_row = jnp.pad(origin, ((0, 0), (1, 0)), constant_values=1.0)
        slope_rows = jnp.pad(slopes, ((0, 0), (1, 0)))
        pred = self._combinations(jnp.concatenate([intercept_row, slope_rows]))
        shift = jnp.zeros_like(pred.mean).at[0].set(self.scaling.y_mean)
        low, high = pred.interval(0.9)
        return Coefficients(
            names=("intercept", *self.dataset.feature_names),
            units=("", *self.dataset.feature_units),
            mean=np.asarray(pred.mean + shift),
            sd=np.asarray(pred.std),
            low=np.asarray(low + shift),
            high=np.asarray(high + shift),
        )

    def inclusion(self, size: float) -> dict[str, float]:
        """Posterior probability of every feature that its effect exceeds `size`.

        The effect of a feature is the absolute change of the target, on the model's scale,
        for a change of one standard deviation of the feature. Under `transforms.Log` a
        `size` of 0.05 is five per cent of the life.

        Args:
            size: smallest effect of interest, in units of the target on that scale.
        """
        one_sd = jnp.eye(len(self.scaling.x_mean), dtype=self.scaling.x_mean.dtype)
        pred = self._combinations(jnp.pad(one_sd, ((0, 0), (1, 0))))
        probability = pred.cdf(-size) + 1 - pred.cdf(size)
        return dict(zip(self.dataset.feature_names, probability.tolist(), strict=True))

    def leave_one_out(self) -> LeaveOneOut:
        """Log density of every label given all others, as a density per unit of target.

        No new fit is needed: given the hyper-parameters the density is in closed form, and
        their posterior without the row follows from importance weights (exact for
        quadrature nodes). Features and target are standardised with all rows.

        Raises:
            DataError: labels are censored or intervals, which have no density.
        """
        data = self.dataset
        if np.any(is_censored(data)):
            raise DataError(
                "leave_one_out needs exact labels, and some are censored or intervals: "
                "use evaluate.cross_validate"
            )
        standard = standardise(data, self.scaling, row_parameters=True)
        rows = fitted_rows(data, standard, self.parameters, None, compress=False)
        densities = _draws.leave_one_out(self._weighted_draws, rows)
        log_density, pareto_k = left_out(densities[:, : data.num_rows], self.log_weight)
        slope = data.transform.log_slope(data.y) - jnp.log(self.scaling.y_scale)
        return LeaveOneOut(log_density + slope, pareto_k)

    @property
    def uses_groups(self):
        return self.parameters.effects is not None

    @property
    def function_draws(self):
        num_nodes = _draws.num_noise_nodes(self.parameters.noise)
        return jnp.repeat(jnp.arange(len(self.log_weight)), num_nodes)

    @property
    def _weighted_draws(self):
        return _draws.Draws(self.parameters, self.weights, self.log_weight)

    def _combinations(self, rows):
        """Linear combinations of intercept and weights, in units of the target."""
        num_effects = self.rows.base.shape[1] - rows.shape[1]
        rows = jnp.pad(rows, ((0, 0), (0, num_effects)))
        mean, variance = _draws.functions(self._weighted_draws, self.rows, rows)
        scale = self.scaling.y_scale
        log_weight = jnp.broadcast_to(self.log_weight[:, None], mean.shape)
        no_noise = jnp.zeros_like(mean)
        return mixture(mean * scale, no_noise, variance * scale**2, log_weight)

    def _standardised_predict(self, rows):
        num_groups = len(self.dataset.group_names)
        return _draws.predict(self._weighted_draws, self.rows, num_groups, rows)

    def _standardised_functions(self, rows, key, num):
        num_groups = len(self.dataset.group_names)
        return _draws.sample_functions(
            self._weighted_draws, self.rows, num_groups, rows, key, num
        )

    def _standardised_reference(self, x):
        return x

    def _standardised_moments(self, x, reference):
        num_groups = len(self.dataset.group_names)
        return _draws.moments(self._weighted_draws, self.rows, num_groups, x, reference)


def fitted_rows(
    dataset: Dataset,
    standard: Rows,
    parameters: LinearParameters,
    labels: CensoredLabels | None,
    *,
    compress: bool = True,
) -> LinearRows:
    """Rows of a dataset for these hyper-parameters, compressed where that is exact.

    Args:
        dataset: the rows, with groups if `parameters` has effects.
        standard: the same rows, standardised.
        parameters: hyper-parameters, initial or fitted.
        labels: labels that are bounds or intervals, if any.
        compress: False if every row is needed on its own.
    """
    has_effects = parameters.effects is not None
    return linear_rows(
        standard,
        group_codes(dataset, parameters.effects, len(standard.y)),
        parameters.slopes,
        len(dataset.group_names) if has_effects else 0,
        labels,
        parameters.noise if compress else None,
    )


def posterior_of(
    draws: LinearParameters,
    rows: LinearRows,
    scaling: Scaling,
    dataset: Dataset,
    report: FitReport,
    log_joints: Float[Array, " s"] | None = None,
) -> BayesianLinearPosterior:
    """Posterior of a fit.

    Args:
        draws: hyper-parameters with a leading axis of draws.
        rows: rows of the training data.
        scaling: scaling of the training data.
        dataset: training data.
        report: report of the fit.
        log_joints: log mass of quadrature nodes, which sum to the evidence; None for
            random draws.
    """
    weights, log_evidences = _draws.factorise(draws, rows)
    log_weight = log_mass = jnp.zeros_like(log_evidences)
    if log_joints is not None:
        log_weight = log_joints - logsumexp(log_joints)
        log_mass = log_joints - log_evidences + np.log(len(log_evidences))
    return BayesianLinearPosterior(
        parameters=draws,
        rows=rows,
        weights=weights,
        log_weight=log_weight,
        log_mass=log_mass,
        log_evidences=log_evidences + log_mass,
        scaling=scaling,
        dataset=dataset,
        report=report,
    )
