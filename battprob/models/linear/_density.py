"""Hyper-parameters of a linear model and their log joint density with the targets."""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._numerics.linear_algebra import default_jitter
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.inference import MAP, NUTS
from battprob.models._effects import GroupEffects
from battprob.models.linear import _conjugate
from battprob.models.linear._rows import LinearRows
from battprob.noise.base import AbstractNoise
from battprob.priors.base import AbstractPrior

# The diagnostics need many draws and use all 2000; predictions need no more than the 400
# that thinning keeps, and their cost grows with the number of draws.
DEFAULT_SAMPLER = NUTS(
    num_samples=400, num_warmup=500, thinning=5, mode=MAP(num_starts=1)
)


class LinearParameters(eqx.Module):
    """What remains when the weights are integrated out.

    Args:
        prior: prior of the weights, with the parameters of their scales.
        noise: noise model.
        effects: scales of the group effects; None without random effects.
        labels: unconstrained true values of the censored labels; None if all are exact.
    """

    prior: AbstractPrior
    noise: AbstractNoise
    effects: GroupEffects | None
    labels: Float[Array, "..."] | None

    @property
    def slopes(self) -> tuple[int, ...] | None:
        """Features with a slope for each group; None without random effects."""
        return None if self.effects is None else self.effects.slopes


def bound_prior(prior: AbstractPrior, dataset: Dataset, num_rows: int) -> AbstractPrior:
    """The prior bound to the features of a dataset, in the precision of the data."""
    prior = prior.bind(dataset.feature_names, num_rows)
    return jax.tree.map(lambda leaf: leaf.astype(dataset.x.dtype), prior)


def weight_scales(
    prior: AbstractPrior, effects: GroupEffects | None, num_columns: int
) -> Float[Array, " r"]:
    """Prior standard deviation of the weight of every column; 1 for the intercept."""
    features = prior.scales()
    blocks = [jnp.ones_like(features[:1]), features]
    if effects is not None:
        sd = effects.sd()
        num_groups = (num_columns - 1 - features.size) // sd.size
        blocks.append(jnp.repeat(sd, num_groups))
    return jnp.concatenate(blocks)


def scaled_columns(
    parameters: LinearParameters, base: Float[Array, "n r"]
) -> Float[Array, "n r"]:
    """Columns whose weights are N(0, 1) a priori."""
    scales = weight_scales(parameters.prior, parameters.effects, base.shape[1])
    return base * scales[None]


def noise_variance(
    parameters: LinearParameters, rows: LinearRows
) -> Float[Array, " n"]:
    """σ² of every row, at least the rounding error of a standardised target."""
    variance = parameters.noise.variance(rows.x, rows.known)
    # Measured variances may be zero, and the algebra divides by them.
    return jnp.maximum(variance, default_jitter(variance.dtype))


def targets(
    parameters: LinearParameters, rows: LinearRows
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """Targets with the true values of censored labels, and the log Jacobian of these."""
    if rows.censored is None or parameters.labels is None:
        return rows.y, jnp.zeros((), rows.y.dtype)
    return rows.censored.fill(rows.y, parameters.labels)


def log_evidence(parameters: LinearParameters, rows: LinearRows) -> Float[Array, ""]:
    """Log density of the targets given the hyper-parameters."""
    y, _ = targets(parameters, rows)
    columns = scaled_columns(parameters, rows.base)
    variance = noise_variance(parameters, rows)
    return _conjugate.log_evidence(columns, y, variance, rows.count)


def log_joint(parameters: LinearParameters, rows: LinearRows) -> Float[Array, ""]:
    """Log joint density of the targets and the unconstrained hyper-parameters."""
    prior = parameters.prior.log_prior() + parameters.noise.log_prior()
    if parameters.effects is not None:
        prior = prior + parameters.effects.log_prior()
    _, log_jacobian = targets(parameters, rows)
    return log_evidence(parameters, rows) + prior + log_jacobian
