"""Exact Gaussian process regression with a noise head."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.inference import MAP
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._gaussian import solve
from battprob.models._noise_level import head_covariance, noise_levels
from battprob.models._replicates import Sites, find_sites
from battprob.models._scaling import Rows, Scaling, prepare, standardise
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    FunctionMoments,
    bound,
    mixture,
)
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.models.process._joint_density import (
    FINAL_TOLERANCE,
    integrated,
    log_joint,
    searched,
)
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import anchored, has_weights, split

_PILOT_ROWS = 128


class GaussianProcess(AbstractModel):
    r"""$y = f(x) + \varepsilon$, $f \sim GP(0, k)$, $\varepsilon \sim N(0, \sigma^2(x))$.

    Features and target are standardised inside and restored in the answer. Exact for
    given hyper-parameters; these are at their mode (`MAP`, the default) or drawn
    (`Laplace`). At the mode the noise level still keeps its own posterior uncertainty.
    Rows with the same features are pooled, exactly: the cost is the cube of how many
    different ones there are.

    Args:
        kernel: covariance of f.
        noise: how σ² depends on x.
        inference: what is done about the hyper-parameters.

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

    kernel: AbstractKernel = eqx.field(default_factory=Matern52)
    noise: AbstractNoise = eqx.field(default_factory=Constant)
    inference: AbstractInference = eqx.field(default_factory=MAP)

    def fit(self, dataset, *, key):
        scaling, rows = prepare(dataset, self.noise)
        kernel, noise = bound((self.kernel, self.noise), dataset)
        draws, data, report = _explore(self.inference, kernel, noise, rows, key)
        return _posterior(draws, data, scaling, dataset, report)

    def fit_many(
        self, datasets: Sequence[Dataset], *, key: PRNGKey
    ) -> "list[GaussianProcessPosterior]":
        """Fit each dataset by itself, all in one program: one cell, one channel each.

        The answers are those of `[model.fit(data, key=key) for data in datasets]`. All are
        padded to the longest, so lengths should be alike, and small.

        Args:
            datasets: with the same features.
            key: PRNG key for starts; every search has the same.

        Raises:
            DataError: features differ, or the model is not at its mode (`MAP`) or has
                `LatentGP` noise.
            FitError: no start reached a finite density in one of them.
        """
        if not isinstance(self.inference, MAP) or has_weights(self.noise):
            raise DataError(
                "fit_many takes models with inference=MAP() and without LatentGP noise: "
                "fit these one by one"
            )
        names = sorted({data.feature_names for data in datasets})
        if len(names) != 1:
            raise DataError(
                f"fit_many needs datasets of the same features; got {names}"
            )
        kernel, noise = bound((self.kernel, self.noise), datasets[0])
        parameters, *nothing = split(noise)
        scalings, data = zip(
            *(self._small(own, eqx.combine(*nothing)) for own in datasets), strict=True
        )
        longest = max(own.num_rows for own in datasets)
        data = [
            jax.tree.map(lambda leaf: _fitted_to(leaf, longest), own) for own in data
        ]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *data)
        modes, reports = self.inference.run_many(
            log_joint, (kernel, parameters), stacked, key=key
        )
        solved = _factorise_each(modes, stacked)
        modes, solved = jax.tree.map(np.asarray, (modes, solved))
        return [
            _assembled(
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i][None]), modes),  # noqa: B023
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i]), solved),  # noqa: B023
                data[i][1],
                scalings[i],
                datasets[i],
                reports[i],
            )
            for i in range(len(datasets))
        ]

    def _small(self, dataset, latent):
        scaling, rows = prepare(dataset, self.noise)
        return scaling, (rows, find_sites(rows), latent)


class GaussianProcessPosterior(AbstractGaussianPosterior):
    """A fitted Gaussian process; hyper-parameters carry a leading axis of draws."""

    kernel: AbstractKernel
    noise: AbstractNoise
    sites: Sites
    factor: Float[Array, "s u u"]
    alpha: Float[Array, "s u"]
    noise_covariance: Float[Array, "s q q"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        parameters, weights, constants = split(self.noise)
        latent = jax.tree.map(lambda leaf: leaf[0], eqx.combine(weights, constants))
        data = (rows, find_sites(rows), latent)
        draws = (self.kernel, parameters)
        return _posterior(draws, data, self.scaling, together, self.report)

    @property
    def uses_groups(self):
        return False

    def _standardised_predict(self, x, known, groups):
        del groups
        draws = (self.kernel, self.noise, self.factor, self.alpha)
        return _predict((*draws, self.noise_covariance), self.sites, x, known)

    def _standardised_functions(self, x, groups, key, num):
        del groups
        draws = (self.kernel, self.factor, self.alpha)
        return _sample_functions(draws, self.sites, x, key, num)

    def _standardised_weights(self, at):
        return _weights((self.kernel, self.factor), self.sites, at)

    def _standardised_moments(self, x, at, weights):
        draws = (self.kernel, self.factor, self.alpha, weights)
        return _moments(draws, self.sites, x, at)


def mode_of_rows(
    kernel: AbstractKernel, noise: AbstractNoise, rows: Rows, key: PRNGKey
) -> tuple[AbstractKernel, AbstractNoise]:
    """Kernel and noise head at the mode for these rows, weights of the head at their mean."""
    draws, data, _ = _explore(MAP(), kernel, noise, rows, key)
    noise = _factorise(draws, data)[0]
    return jax.tree.map(lambda leaf: leaf[0], (draws[0], noise))


def _explore(inference, kernel, noise, rows, key):
    """Draws of the hyper-parameters, the data they are of, and a report."""
    sites = find_sites(rows)
    noise = anchored(noise, np.asarray(sites.x)[np.asarray(sites.mask)])
    parameters, weights, constants = split(noise)
    latent = eqx.combine(weights, constants)
    draws, report = inference.run(
        log_joint,
        (kernel, parameters),
        (rows, sites, latent),
        key=key,
        pilot=_pilot(rows, latent, key),
        remembering=searched if jax.tree.leaves(weights) else None,
    )
    return draws, (rows, sites, latent), report


def _pilot(rows, latent, key):
    """Some of the rows, drawn at random; None where all are few."""
    some = some_rows(rows, _PILOT_ROWS, key)
    return None if some is None else (some, find_sites(some), latent)


def _fitted_to(leaf, length):
    """A padded column with as many entries as `length`; at least all that are no padding."""
    leaf = np.asarray(leaf)[:length]
    return np.pad(leaf, [(0, length - len(leaf))] + [(0, 0)] * (leaf.ndim - 1))


def _posterior(draws, data, scaling, dataset, report):
    solved = _factorise(draws, data)
    return _assembled(draws, solved, data[1], scaling, dataset, report)


def _assembled(draws, solved, sites, scaling, dataset, report):
    noise, factor, alpha, noise_covariance, log_evidences = solved
    return GaussianProcessPosterior(
        kernel=draws[0],
        noise=noise,
        sites=jax.tree.map(jnp.asarray, sites),
        factor=factor,
        alpha=alpha,
        noise_covariance=noise_covariance,
        log_evidences=log_evidences,
        scaling=scaling,
        dataset=dataset,
        report=report,
    )


@eqx.filter_jit
def _factorise(draws, data):
    rows, sites, _ = data
    at_mode = len(jax.tree.leaves(draws)[0]) == 1

    def one(parameters):
        found, pooled, covariance = integrated(parameters, data, FINAL_TOLERANCE)
        density, (factor, alpha) = solve(pooled.y, covariance)
        evidence = density + pooled.log_rest + found.correction
        spread = head_covariance(
            found.noise,
            rows,
            sites,
            found.variance,
            factor,
            parameters_too=at_mode,
        )
        return found.noise, factor, alpha, spread, evidence

    # One draw at a time: memory stays that of the answer.
    return jax.lax.map(one, draws)


@eqx.filter_jit
def _factorise_each(modes, data):
    def one(own):
        mode, data = own
        return _factorise(jax.tree.map(lambda leaf: leaf[None], mode), data)

    return jax.lax.map(one, (modes, data))


def _cross(kernel, sites, x):
    """Covariance of training rows and `x`."""
    return jnp.where(sites.mask[:, None], kernel.gram(sites.x, x), 0.0)


def _function(kernel, sites, factor, alpha, x):
    """Mean of f at `x`, and V with Var f = k(x, x) - VᵀV."""
    cross = _cross(kernel, sites, x)
    v = jax.scipy.linalg.solve_triangular(factor, cross, lower=True)
    return alpha @ cross, v


@eqx.filter_jit
def _predict(draws, sites, x, known):
    def one(draw):
        kernel, noise, factor, alpha, covariance = draw
        mean, v = _function(kernel, sites, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        levels, weight = noise_levels(noise, covariance, x, known)
        mean, variance = (jnp.broadcast_to(a, levels.shape) for a in (mean, variance))
        return mean, levels, variance, weight

    # Every draw is one shared function under several levels of the noise.
    return mixture(*(jnp.concatenate(a) for a in jax.lax.map(one, draws)))


@eqx.filter_jit
def _weights(draws, sites, at):
    def one(draw):
        kernel, factor = draw
        cross = _cross(kernel, sites, at)
        return jax.scipy.linalg.cho_solve((factor, True), cross)

    return jax.lax.map(one, draws)


@eqx.filter_jit
def _moments(draws, sites, x, at):
    def one(draw):
        kernel, factor, alpha, weights = draw
        cross = _cross(kernel, sites, x)
        v = jax.scipy.linalg.solve_triangular(factor, cross, lower=True)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        if weights is None:  # V'V keeps a joint law symmetric
            explained = v.T @ _function(kernel, sites, factor, alpha, at)[1]
        else:
            explained = cross.T @ weights
        return alpha @ cross, variance, kernel.gram(x, at) - explained

    mean, variance, covariance = jax.lax.map(one, draws)
    return FunctionMoments(mean, variance, covariance, jnp.zeros_like(mean[:, 0]))


@eqx.filter_jit
def _sample_functions(draws, sites, x, key, num):
    def one(draw):
        kernel, factor, alpha = draw
        mean, v = _function(kernel, sites, factor, alpha, x)
        return mean, root_of_rest(kernel.gram(x, x), v)

    mean, root = jax.lax.map(one, draws)
    return draw_functions(mean, root, key, num)
