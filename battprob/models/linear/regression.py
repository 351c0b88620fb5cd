"""Bayesian linear regression with any prior and noise model, groups, censored labels."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._parameters import ravel_parameters
from battprob.inference.base import AbstractInference
from battprob.inference.quadrature import MAX_PARAMETERS, quadrature
from battprob.models._effects import start_effects
from battprob.models._fields import require_used_fields
from battprob.models._scaling import prepare, standardise
from battprob.models.base import AbstractModel, bound
from battprob.models.linear._censored_labels import (
    censored_labels,
    is_censored,
    scaling_of_true_labels,
)
from battprob.models.linear._density import (
    DEFAULT_SAMPLER,
    LinearParameters,
    bound_prior,
    log_joint,
)
from battprob.models.linear.regression_posterior import (
    BayesianLinearPosterior,
    fitted_rows,
    posterior_of,
)
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights
from battprob.noise.student import student_t_parts, with_precision
from battprob.priors import Ridge
from battprob.priors.base import AbstractPrior


class BayesianLinear(AbstractModel):
    r"""$y = b + w^\top x + u_g^\top (1, x) + \varepsilon$: weights, group effects, noise.

    The weights and the group effects are integrated out in closed form for every prior
    and noise model. `inference` integrates over the remaining hyper-parameters: the scales
    of the prior, of the group effects and of the noise. Features and target are
    standardised inside the model; there b ~ N(0, 1). The cost is the cube of the number of
    rows or of features, whichever is smaller.

    Labels that are bounds or intervals (`Dataset(censored=..., y_upper=...)`) enter by
    their exact likelihood: their true values are sampled with the hyper-parameters.

    Args:
        noise: how σ² depends on x; default `noise.Constant()`.
        prior: prior of the weights (see `battprob.priors`); default `priors.Ridge()`.
        random_effects: True: each group of the dataset has an intercept of its own. Names
            of features instead of True add a slope per group for each of them. The
            standard deviation between groups is half-normal with scale 1.5 (in standard
            deviations of the target) a priori. For a new group, the variance between
            groups is part of the prediction, reported as `between`.
        inference: how the hyper-parameters are integrated out. Default: by quadrature if
            there are at most two (`Ridge` with `Constant` noise), else by `NUTS`.
            `Laplace()` and `SVI()` are faster approximations.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
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
        is_flag = isinstance(random_effects, bool)
        self.random_effects = random_effects if is_flag else tuple(random_effects)
        self.inference = inference

    def uses(self, field):
        used = {
            "groups": bool(self.random_effects),
            "noise_variance": self.noise.uses_known(),
            "censored": True,
        }
        return used.get(field, False)

    def fit(self, dataset, *, key) -> BayesianLinearPosterior:
        require_used_fields(self, dataset)
        self._require_supported_noise()
        scaling, standard = prepare(dataset, self.noise, row_parameters=True)
        if np.any(is_censored(dataset)):
            scaling = scaling_of_true_labels(dataset, scaling)
            standard = standardise(dataset, scaling, row_parameters=True)
        labels = censored_labels(dataset, scaling)
        initial = self._initial(dataset, labels, len(standard.y))
        rows = fitted_rows(dataset, standard, initial, labels)
        few = ravel_parameters(initial)[0].size <= MAX_PARAMETERS
        if self.inference is None and few:
            nodes, log_mass, report = quadrature(log_joint, initial, rows, key=key)
            return posterior_of(nodes, rows, scaling, dataset, report, log_mass)
        inference = DEFAULT_SAMPLER if self.inference is None else self.inference
        draws, report = inference.run(log_joint, initial, rows, key=key)
        return posterior_of(draws, rows, scaling, dataset, report)

    def _require_supported_noise(self):
        if has_weights(self.noise):
            raise DataError(
                "BayesianLinear cannot use noise.LatentGP: use noise.LogLinear(), or "
                "GaussianProcess(kernels.Linear(), noise.LatentGP())"
            )
        num_student_t = len(student_t_parts(self.noise))
        if num_student_t > 1:
            raise DataError(
                f"the noise model has {num_student_t} StudentT parts, of which it may "
                "have one: use another noise model for the others"
            )

    def _initial(self, dataset, labels, num_rows):
        """Initial hyper-parameters, bound to the features and rows of a dataset."""
        effects = None
        if self.random_effects:
            effects = start_effects(dataset, self.random_effects)
        (noise,) = bound((self.noise,), dataset)
        noise = with_precision(noise, jnp.zeros(num_rows, dataset.y.dtype))
        prior = bound_prior(self.prior, dataset, num_rows)
        position = None if labels is None else jnp.zeros_like(labels.low)
        return LinearParameters(prior, noise, effects, position)
