"""Bayesian linear regression: any prior, noise head, group effects, censored labels."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.inference.base import AbstractInference
from battprob.inference.quadrature import MAX_PARAMETERS, quadrature
from battprob.inference.report import FitReport
from battprob.models._effects import start_effects
from battprob.models._scaling import Scaling, prepare, standardise
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    bound,
    mixture,
)
from battprob.models.linear import _draws as by_draw
from battprob.models.linear import _rows as parts
from battprob.models.linear._coefficients import Coefficients
from battprob.models.linear._conjugate import Weights
from battprob.models.linear._hidden_labels import (
    find_hidden_labels,
    is_hidden,
    scaled_beyond_bounds,
)
from battprob.models.linear._leave_one_out import LeaveOneOut, left_out
from battprob.models.linear._rows import LinearParameters, LinearRows
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights
from battprob.noise.student import student_t_parts, with_precision
from battprob.priors import Ridge
from battprob.priors.base import AbstractPrior


class BayesianLinear(AbstractModel):
    r"""$y = b + w^\top x + u_g^\top (1, x) + \varepsilon$: weights, group effects, noise.

    Weights and effects are integrated out in closed form, whatever the prior and the
    noise head; what is left, the scales of the prior, of the groups and of the noise, is
    explored by `inference`. Features and target are standardised inside; b has a unit
    prior there. More features than rows cost no more than as many features as rows.

    Labels that are bounds or intervals (`Dataset(censored=..., y_upper=...)`) are drawn
    with the scales, so that each enters by its exact likelihood.

    Args:
        noise: how σ² depends on x.
        prior: what is believed of the weights; see `battprob.priors`.
        random_effects: True: every group of the dataset has an intercept of its own, and
            a slope of its own for each feature named instead of True. Between groups
            these vary by a standard deviation that is half-normal of scale 1.5 (of the
            target's standard deviation) a priori. A new group is answered for with the
            variance between groups, reported as `between`.
        inference: how the scales are explored. Default: integrated by quadrature where
            there are at most two (`Ridge` with `Constant` noise: all is closed form but
            for these), else drawn by `NUTS`. `Laplace()` and `SVI()` are quick
            approximations.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + 1)
        >>> posterior = BayesianLinear().fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([2.0]).mean[0] - 7) < 0.1)
        True

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    noise: AbstractNoise
    prior: AbstractPrior
    random_effects: bool | tuple[str | int, ...] = eqx.field(static=True)
    inference: AbstractInference | None

    def __init__(
        self,
        noise: AbstractNoise | None = None,
        *,
        prior: AbstractPrior | None = None,
        random_effects: bool | Sequence[str | int] = False,
        inference: AbstractInference | None = None,
    ):
        self.noise = Constant() if noise is None else noise
        self.prior = Ridge() if prior is None else prior
        named = not isinstance(random_effects, bool)
        self.random_effects = tuple(random_effects) if named else random_effects
        self.inference = inference

    def fit(self, dataset, *, key):
        if has_weights(self.noise):
            raise DataError(
                "BayesianLinear cannot integrate a LatentGP out: use noise.LogLinear(), or "
                "GaussianProcess(kernels.Linear(), noise.LatentGP())"
            )
        if len(student_t_parts(self.noise)) > 1:
            raise DataError("one part of the noise head may be StudentT, not several")
        scaling, standard = prepare(dataset, self.noise, row_parameters=True)
        if np.any(is_hidden(dataset)):
            scaling = scaled_beyond_bounds(dataset, scaling)
            standard = standardise(dataset, scaling, row_parameters=True)
        effects = start_effects(dataset, random_effects=self.random_effects)
        (noise,) = bound((self.noise,), dataset)
        noise = with_precision(noise, jnp.zeros_like(standard.y))
        prior = parts.bound_prior(self.prior, dataset, len(standard.y))
        hidden = find_hidden_labels(dataset, scaling)
        position = None if hidden is None else jnp.zeros_like(hidden.low)
        initial = LinearParameters(prior, noise, effects, position)
        rows = _rows(dataset, standard, initial, hidden, noise)
        if self.inference is None and ravel_parameters(initial)[0].size <= MAX_PARAMETERS:
            nodes, log_mass, report = quadrature(
                parts.log_joint, initial, rows, key=key
            )
            return _posterior(nodes, rows, scaling, dataset, report, log_mass)
        inference = parts.DRAWS if self.inference is None else self.inference
        draws, report = inference.run(parts.log_joint, initial, rows, key=key)
        return _posterior(draws, rows, scaling, dataset, report)


class BayesianLinearPosterior(AbstractGaussianPosterior):
    """A fitted linear model; hyper-parameters carry a leading axis of draws.

    `log_weight` is the posterior weight of each draw (all alike, or those of quadrature
    nodes), `log_mass` its log prior mass.
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
        if np.any(is_hidden(dataset)):
            raise DataError(
                "rows with censored or interval labels cannot be taken in without a new "
                "fit, which draws what they hide: fit to all rows"
            )
        if student_t_parts(self.parameters.noise):
            raise DataError(
                "rows with Student-t noise cannot be taken in without a new fit, which "
                "draws their precisions: fit to all rows"
            )
        together = self.dataset.append(dataset)
        standard = standardise(together, self.scaling, row_parameters=True)
        hidden = self.rows.hidden
        rows = _rows(together, standard, self.parameters, hidden, self.parameters.noise)
        weights, log_evidences = by_draw.factorise(self.parameters, rows)
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
    def uses_groups(self):
        return self.parameters.effects is not None

    @property
    def coefficients(self) -> Coefficients:
        """Slopes on the original scale of every feature, and the intercept.

        Of the model's scale of the target (log life, under `transforms.Log`), a unit of
        the feature; posterior mean, standard deviation and 90 % interval.
        """
        scaling = self.scaling
        slope = jnp.eye(len(scaling.x_mean), dtype=scaling.x_mean.dtype)
        slope = slope / scaling.x_scale[:, None]
        origin = scaling.features(jnp.zeros_like(scaling.x_mean)[None])
        free = jnp.concatenate([jnp.ones((1, 1), slope.dtype), origin], axis=1)
        slopes = jnp.concatenate([jnp.zeros_like(slope[:, :1]), slope], axis=1)
        pred = self._combination(jnp.concatenate([free, slopes]))
        shift = jnp.zeros_like(pred.mean).at[0].set(scaling.y_mean)
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

        The effect is the change of the target, on the model's scale, that goes with one
        standard deviation of the feature, up or down: under `transforms.Log` a `size`
        of 0.05 asks for five per cent of the life.

        Args:
            size: smallest effect of interest, in units of the target on that scale.
        """
        one_sd = jnp.eye(len(self.scaling.x_mean), dtype=self.scaling.x_mean.dtype)
        pred = self._combination(jnp.pad(one_sd, ((0, 0), (1, 0))))
        beyond = pred.cdf(-size) + 1 - pred.cdf(size)
        return dict(zip(self.dataset.feature_names, beyond.tolist(), strict=True))

    def leave_one_out(self) -> LeaveOneOut:
        """Log density of every label given all others, as a density per unit of target.

        Without a refit: weights are left out in closed form, the scales by importance
        weights (on nodes of a quadrature these are exact). Features and target keep the
        scaling that all rows gave.

        Raises:
            DataError: labels are censored: what they hide has no density.
        """
        data = self.dataset
        if np.any(is_hidden(data)):
            raise DataError(
                "censored labels cannot be left out: use evaluate.cross_validate"
            )
        standard = standardise(data, self.scaling, row_parameters=True)
        rows = _rows(data, standard, self.parameters, None, None)
        densities = by_draw.leave_one_out(self._draws, rows)
        log_density, pareto_k = left_out(densities[:, : data.num_rows], self.log_weight)
        slope = data.transform.log_slope(data.y) - jnp.log(self.scaling.y_scale)
        return LeaveOneOut(log_density + slope, pareto_k)

    def _combination(self, rows):
        """Combinations of intercept and weights as rows of columns, in target units."""
        others = self.rows.base.shape[1] - rows.shape[1]
        rows = jnp.pad(rows, ((0, 0), (0, others)))
        mean, spread = by_draw.functions(self._draws, self.rows, rows)
        unit = self.scaling.y_scale
        weight = jnp.broadcast_to(self.log_weight[:, None], mean.shape)
        none = jnp.zeros_like(mean)
        return mixture(mean * unit, none, spread * unit**2, weight)

    @property
    def _draws(self):
        return by_draw.Draws(self.parameters, self.weights, self.log_weight)

    def _standardised_predict(self, x, known, groups):
        num_groups = len(self.dataset.group_names)
        return by_draw.predict(self._draws, self.rows, num_groups, x, known, groups)

    def _standardised_functions(self, x, groups, key, num):
        num_groups = len(self.dataset.group_names)
        return by_draw.sample_functions(
            self._draws, self.rows, num_groups, x, groups, key, num
        )

    def _standardised_weights(self, at):
        del at

    def _standardised_moments(self, x, at, weights):
        del weights
        num_groups = len(self.dataset.group_names)
        return by_draw.moments(self._draws, self.rows, num_groups, x, at)


def _rows(dataset, standard, parameters, hidden, noise):
    return parts.linear_rows(
        standard,
        parts.group_codes(dataset, parameters.effects, len(standard.y)),
        parameters.slopes,
        len(dataset.group_names) if parameters.effects is not None else 0,
        hidden,
        noise,
    )


def _posterior(draws, rows, scaling, dataset, report, log_joints=None):
    weights, log_evidences = by_draw.factorise(draws, rows)
    num = len(log_evidences)
    if log_joints is None:
        log_weight = log_mass = jnp.zeros_like(log_evidences)
    else:  # nodes: the mean of what they say, weighted by mass, is the evidence
        log_weight = log_joints - logsumexp(log_joints)
        log_mass = log_joints - log_evidences + np.log(num)
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
