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
from battprob.models._noise_level import covariance_of, flat_head, noise_levels
from battprob.models._scaling import Rows
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import some_rows
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
        some = some_rows(rows, _PILOT_ROWS, key)
        draws, report = inference.run(
            _log_joints[parallel],
            (kernel, noise),
            rows,
            key=key,
            pilot=None if some is None else _in_order(some, kernel),
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
    """Rows along the sequence, padded ones behind them."""
    mask = np.asarray(rows.mask)
    place = np.asarray(_place(kernel, rows.x))
    order = np.argsort(np.where(mask, place, np.inf), kind="stable")
    x, y, known, mask = (np.asarray(leaf)[order] for leaf in rows)
    x = np.where(mask[:, None], x, x[mask][-1])
    return Rows(*(jnp.asarray(leaf) for leaf in (x, y, known, mask)))


def _process(kernel, parallel):
    return MaternProcess(
        kernel.variance,
        kernel.lengthscale.ravel()[0],
        derivatives=_DERIVATIVES[type(kernel)],
        parallel=parallel,
    )


def _place(kernel, x):
    return x[:, kernel.columns[0]]


def _readings(kernel, noise, rows):
    """ReferencePoints, targets, noise variances, and whether there is a row at all."""
    variance = noise.variance(rows.x, rows.known)
    # As little as a dense factorisation can tell from none.
    variance = jnp.maximum(variance, default_jitter(variance.dtype))
    return _place(kernel, rows.x), rows.y, variance, rows.mask


def _log_joint(parameters, rows, *, parallel):
    kernel, noise = parameters
    evidence = _process(kernel, parallel).log_evidence(*_readings(kernel, noise, rows))
    return evidence + kernel.log_prior() + noise.log_prior()


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
    at_mode = len(jax.tree.leaves(draws)[0]) == 1

    def one(draw):
        kernel, noise = draw
        evidence = _process(kernel, parallel).log_evidence(
            *_readings(kernel, noise, rows)
        )
        information = _information(kernel, noise, rows, parallel)
        return covariance_of(noise, information, parameters_too=at_mode), evidence

    return jax.lax.map(one, draws)


def _information(kernel, noise, rows, parallel):
    r"""Expected information on the parameters of the noise, in O(n).

    With K the covariance of the targets and D_i = ∂K/∂θ_i diagonal,

        F_ij = ½ tr(K⁻¹ D_i K⁻¹ D_j) = -½ Σ_t (D_i)_tt ∂(K⁻¹)_tt/∂θ_j,
        (K⁻¹)_tt = (σ²_t - Var f_t) / σ⁴_t,

    Var f_t being what the smoother leaves at reading t.
    """
    flat, _, head = flat_head(noise)

    def levels(vector):
        place, y, variance, mask = _readings(kernel, head(vector), rows)
        path = _process(kernel, parallel).smooth(place, y, variance, mask)
        inverse = (variance - path.covariance[0][0]) / variance**2
        return jnp.where(mask, variance, 0.0), jnp.where(mask, inverse, 0.0)

    change, change_of_inverse = jax.jacfwd(levels)(flat)
    information = -0.5 * change.T @ change_of_inverse
    return 0.5 * (information + information.T)


def _merged(rows, kernel, x):
    """ReferencePoints of the rows and of new ones in one order, and where the new ones are."""
    place = jnp.concatenate([_place(kernel, rows.x), _place(kernel, x)])
    order = jnp.argsort(place, stable=True)
    found = jnp.argsort(order)[len(rows.x) :]

    def fill(values):
        return jnp.concatenate([values, jnp.zeros(len(x), values.dtype)])[order]

    return place[order], fill, found


@eqx.filter_jit
def _predict(draws, rows, x, known, parallel):
    def one(draw):
        kernel, noise, covariance = draw
        place, fill, found = _merged(rows, kernel, x)
        _, *readings = _readings(kernel, noise, rows)
        path = _process(kernel, parallel).smooth(place, *map(fill, readings))
        variance = jnp.maximum(path.covariance[0][0][found], 0.0)
        levels, weight = noise_levels(noise, covariance, x, known)
        mean, variance = (
            jnp.broadcast_to(a, levels.shape) for a in (path.mean[0][found], variance)
        )
        return mean, levels, variance, weight

    return Prediction(*(jnp.concatenate(a) for a in jax.lax.map(one, draws)))


@eqx.filter_jit
def _moments(draws, rows, x, at, parallel):
    def one(draw):
        kernel, noise = draw
        place, fill, found = _merged(rows, kernel, x)
        _, y, variance, mask = _readings(kernel, noise, rows)
        process, seen = _process(kernel, parallel), (fill(variance), fill(mask))
        path = process.smooth(place, fill(y), *seen)

        # What the rows say of f(x) is linear in their targets; were these the covariances
        # of f with one place, it would be the part of f(x) that is known of it.
        def known(covariance):
            return process.smooth(place, fill(covariance), *seen).mean[0][found]

        shared = jax.vmap(known, 1, 1)(kernel.gram(rows.x, at))
        left = jnp.maximum(path.covariance[0][0][found], 0.0)
        return path.mean[0][found], left, kernel.gram(x, at) - shared

    mean, variance, covariance = jax.lax.map(one, draws)
    return FunctionMoments(mean, variance, covariance, jnp.zeros_like(mean[:, 0]))


@eqx.filter_jit
def _sample_functions(draws, rows, x, key, num, parallel):
    """A path drawn before the data, and moved by what they say of its noisy readings."""
    key_draw, key_path = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(jax.tree.leaves(draws)[0]))

    def one(inputs):
        index, key = inputs
        kernel, noise = jax.tree.map(lambda leaf: leaf[index], draws)
        place, fill, found = _merged(rows, kernel, x)
        _, y, variance, mask = _readings(kernel, noise, rows)
        y, variance, mask = map(fill, (y, variance, mask))
        process = _process(kernel, parallel)
        key_prior, key_noise = jax.random.split(key)
        path = process.sample_prior(place, key=key_prior)
        error = jnp.sqrt(variance) * jax.random.normal(key_noise, y.shape, y.dtype)
        moved = process.smooth(place, y - path - error, variance, mask).mean[0]
        return (path + moved)[found]

    keys = jax.random.split(key_path, num)
    return jax.lax.map(one, (chosen, keys), batch_size=64)
