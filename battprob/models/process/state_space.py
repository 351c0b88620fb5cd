"""State-space solution of a Gaussian process along one feature, in O(n)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._numerics.linear_algebra import default_jitter
from battprob._typing import Array, Float
from battprob.inference import MAP
from battprob.kernels import Matern12, Matern32, Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_uncertainty import (
    covariance_from_information,
    flatten_noise,
    noise_variance_nodes,
)
from battprob.models._scaling import Rows
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import random_subset
from battprob.models.process._groups import GroupedKernel
from battprob.models.process.solver import AbstractSolution, AbstractSolver, Prediction
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights
from battprob.state_space import MaternProcess

_DERIVATIVES = {Matern12: 0, Matern32: 1, Matern52: 2}
_PILOT_ROWS = 1024


class StateSpace(AbstractSolver):
    r"""The exact solution along one feature (cycle, voltage, time), in O(n) instead of O(n³).

    A Matérn process is a stochastic differential equation of the function and its
    derivatives. A Kalman filter and smoother therefore give the results of `Exact`, for
    any spacing, gaps and replicates: 100 000 rows in seconds.

    The kernel is `Matern12`, `Matern32` or `Matern52` of one feature; if the data have
    more, name it: `Matern52(features=["cycle"])`. The noise may depend on all features,
    but is not `LatentGP`.

    Args:
        parallel: log n sequential steps instead of n, with several times the work: for a
            GPU. None: whether JAX's default device is not a CPU.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
        >>> from battprob.models import GaussianProcess
        >>> cycle = np.arange(300.0)
        >>> capacity_ah = 1.1 - 1e-6 * cycle**2
        >>> data = Dataset(cycle, capacity_ah, feature_names=["cycle"])
        >>> model = GaussianProcess(solver=StateSpace())
        >>> posterior = model.fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([150.5]).mean[0] - 1.07735) < 1e-3)
        True

    References:
        Hartikainen and Särkkä, MLSP (2010), doi:10.1109/MLSP.2010.5589113; Särkkä and
        García-Fernández (2021), doi:10.1109/TAC.2020.2976316, for the parallel form.
    """

    parallel: bool | None = eqx.field(static=True, default=None)

    def require_supported(self, kernel, noise, inference):
        if isinstance(kernel, GroupedKernel):
            raise DataError(
                "StateSpace cannot model random_effects: use solver=Exact(), or "
                "InducingPoints() for many rows"
            )
        if not isinstance(kernel, Matern12 | Matern32 | Matern52):
            raise DataError(
                "StateSpace takes one of the kernels Matern12, Matern32 and Matern52; for "
                f"{type(kernel).__name__} use solver=Exact()"
            )
        if kernel.columns is None or len(kernel.columns) != 1:
            raise DataError(
                f"StateSpace takes a kernel of one feature; this one has columns "
                f"{kernel.columns}: name the feature, as in "
                f'{type(kernel).__name__}(features=["cycle"]), or use solver=Exact()'
            )
        if has_weights(noise):
            raise DataError(
                "StateSpace cannot take LatentGP noise: use solver=Exact(), or another "
                "noise model"
            )

    def fit(self, kernel, noise, rows, *, inference, key):
        inference = MAP() if inference is None else inference
        rows = _in_order(rows, kernel)
        on_accelerator = jax.default_backend() != "cpu"
        parallel = on_accelerator if self.parallel is None else self.parallel
        pilot = random_subset(rows, _PILOT_ROWS, key)
        draws, report = inference.run(
            _log_joints[parallel],
            (kernel, noise),
            rows,
            key=key,
            pilot=None if pilot is None else _in_order(pilot, kernel),
        )
        return _solution(draws, rows, parallel), report


class StateSpaceSolution(AbstractSolution):
    """Ordered rows and hyper-parameters; each prediction runs the smoother again."""

    kernel: AbstractKernel
    noise: AbstractNoise
    rows: Rows
    noise_covariance: Float[Array, "s q q"]
    log_evidences: Float[Array, " s"]
    parallel: bool = eqx.field(static=True)

    def condition(self, rows, report):
        draws = (self.kernel, self.noise)
        return _solution(draws, _in_order(rows, self.kernel), self.parallel), report

    def predict(self, x, known):
        draws = (self.kernel, self.noise, self.noise_covariance)
        return _predict(draws, self.rows, x, known, self.parallel)

    def reference(self, x):
        return x

    def moments(self, x, reference):
        draws = (self.kernel, self.noise)
        return _moments(draws, self.rows, x, reference, self.parallel)

    def sample_functions(self, x, key, num):
        draws = (self.kernel, self.noise)
        return _sample_functions(draws, self.rows, x, key, num, self.parallel)


def _in_order(rows, kernel):
    """Rows sorted by the feature, with padding at the end."""
    mask = np.asarray(rows.mask)
    position = np.asarray(_position(kernel, rows.x))
    order = np.argsort(np.where(mask, position, np.inf), kind="stable")
    x, y, known, mask = (np.asarray(leaf)[order] for leaf in rows)
    # Padding repeats the last row: its steps have length zero.
    x = np.where(mask[:, None], x, x[mask][-1])
    return Rows(*(jnp.asarray(leaf) for leaf in (x, y, known, mask)))


def _process(kernel, parallel):
    return MaternProcess(
        kernel.variance,
        kernel.lengthscale.ravel()[0],
        derivatives=_DERIVATIVES[type(kernel)],
        parallel=parallel,
    )


def _position(kernel, x):
    return x[:, kernel.columns[0]]


def _observations(kernel, noise, rows):
    """Positions, targets, noise variances, and the mask of the rows."""
    variance = noise.variance(rows.x, rows.known)
    # The floor is the jitter of `Exact`, whose results do not change below it.
    variance = jnp.maximum(variance, default_jitter(variance.dtype))
    return _position(kernel, rows.x), rows.y, variance, rows.mask


def _log_joint(parameters, rows, *, parallel):
    kernel, noise = parameters
    observations = _observations(kernel, noise, rows)
    evidence = _process(kernel, parallel).log_evidence(*observations)
    return evidence + kernel.log_prior() + noise.log_prior()


# Module-level functions, because compiled programs are cached by the function.
def _log_joint_sequential(parameters, rows):
    return _log_joint(parameters, rows, parallel=False)


def _log_joint_parallel(parameters, rows):
    return _log_joint(parameters, rows, parallel=True)


_log_joints = {False: _log_joint_sequential, True: _log_joint_parallel}


def _solution(draws, rows, parallel):
    noise_covariance, log_evidences = _summarise(draws, rows, parallel)
    return StateSpaceSolution(
        kernel=draws[0],
        noise=draws[1],
        rows=rows,
        noise_covariance=noise_covariance,
        log_evidences=log_evidences,
        parallel=parallel,
    )


@eqx.filter_jit
def _summarise(draws, rows, parallel):
    """Covariance of the noise parameters, and log evidence, of each draw."""
    at_mode = len(jax.tree.leaves(draws)[0]) == 1

    def one_draw(draw):
        kernel, noise = draw
        observations = _observations(kernel, noise, rows)
        evidence = _process(kernel, parallel).log_evidence(*observations)
        information = _information(kernel, noise, rows, parallel)
        covariance = covariance_from_information(
            noise, information, include_parameters=at_mode
        )
        return covariance, evidence

    return jax.lax.map(one_draw, draws)


def _information(kernel, noise, rows, parallel):
    r"""Expected information about the parameters of the noise, in O(n).

    With K the covariance of the targets and the diagonal matrix D_i = ∂K/∂θ_i,

        F_ij = ½ tr(K⁻¹ D_i K⁻¹ D_j) = -½ Σ_t (D_i)_tt ∂(K⁻¹)_tt/∂θ_j,
        (K⁻¹)_tt = (σ²_t - Var f_t) / σ⁴_t,

    where Var f_t is the variance of the smoother at observation t.
    """
    flat, _, to_noise = flatten_noise(noise)

    def variance_and_inverse(vector):
        observations = _observations(kernel, to_noise(vector), rows)
        _, _, variance, mask = observations
        path = _process(kernel, parallel).smooth(*observations)
        inverse = (variance - path.covariance[0][0]) / variance**2
        return jnp.where(mask, variance, 0.0), jnp.where(mask, inverse, 0.0)

    change, change_of_inverse = jax.jacfwd(variance_and_inverse)(flat)
    information = -0.5 * change.T @ change_of_inverse
    # Symmetric but for rounding.
    return 0.5 * (information + information.T)


def _merge(rows, kernel, x):
    """Positions of training and new rows in one order.

    Returns:
        The positions, a function that puts values of the training rows in this order
        (zero at new rows), and the indices of the new rows.
    """
    position = jnp.concatenate([_position(kernel, rows.x), _position(kernel, x)])
    order = jnp.argsort(position, stable=True)
    new = jnp.argsort(order)[len(rows.x) :]

    def fill(values):
        return jnp.concatenate([values, jnp.zeros(len(x), values.dtype)])[order]

    return position[order], fill, new


@eqx.filter_jit
def _predict(draws, rows, x, known, parallel):
    def one_draw(draw):
        kernel, noise, covariance = draw
        position, fill, new = _merge(rows, kernel, x)
        _, *observations = _observations(kernel, noise, rows)
        path = _process(kernel, parallel).smooth(position, *map(fill, observations))
        variance = jnp.maximum(path.covariance[0][0][new], 0.0)
        nodes, weight = noise_variance_nodes(noise, covariance, x, known)
        mean, variance = (
            jnp.broadcast_to(a, nodes.shape) for a in (path.mean[0][new], variance)
        )
        return mean, nodes, variance, weight

    return Prediction(*(jnp.concatenate(a) for a in jax.lax.map(one_draw, draws)))


@eqx.filter_jit
def _moments(draws, rows, x, points, parallel):
    def one_draw(draw):
        kernel, noise = draw
        position, fill, new = _merge(rows, kernel, x)
        _, y, variance, mask = _observations(kernel, noise, rows)
        process = _process(kernel, parallel)
        variance_and_mask = (fill(variance), fill(mask))
        path = process.smooth(position, fill(y), *variance_and_mask)

        # The smoothed mean k(x, X) A⁻¹ y is linear in the targets y. With k(X, r) in
        # place of y, it is the part of cov(f(x), f(r)) that the rows explain.
        def explained(covariance):
            smoothed = process.smooth(position, fill(covariance), *variance_and_mask)
            return smoothed.mean[0][new]

        shared = jax.vmap(explained, 1, 1)(kernel.gram(rows.x, points))
        function_variance = jnp.maximum(path.covariance[0][0][new], 0.0)
        return path.mean[0][new], function_variance, kernel.gram(x, points) - shared

    mean, variance, covariance = jax.lax.map(one_draw, draws)
    return FunctionMoments(mean, variance, covariance, jnp.zeros_like(mean[:, 0]))


@eqx.filter_jit
def _sample_functions(draws, rows, x, key, num, parallel):
    """Joint draws by Matheron's rule, in O(n).

    A draw of the prior, plus the smoothed difference between the targets and noisy
    observations of that draw, is a draw of the posterior.
    """
    key_draw, key_path = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(jax.tree.leaves(draws)[0]))

    def one_path(inputs):
        index, key = inputs
        kernel, noise = jax.tree.map(lambda leaf: leaf[index], draws)
        position, fill, new = _merge(rows, kernel, x)
        _, y, variance, mask = _observations(kernel, noise, rows)
        y, variance, mask = map(fill, (y, variance, mask))
        process = _process(kernel, parallel)
        key_prior, key_noise = jax.random.split(key)
        path = process.sample_prior(position, key=key_prior)
        error = jnp.sqrt(variance) * jax.random.normal(key_noise, y.shape, y.dtype)
        smoothed = process.smooth(position, y - path - error, variance, mask)
        return (path + smoothed.mean[0])[new]

    keys = jax.random.split(key_path, num)
    return jax.lax.map(one_path, (chosen, keys), batch_size=64)
