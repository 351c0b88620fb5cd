"""Forecasts of capacity fade from the first part of a curve, learned from a population."""

import os
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from tqdm import tqdm

from battprob._errors import DataError
from battprob._files.serialise import save
from battprob._padding import bucket, pad_rows
from battprob._random import generator
from battprob._typing import PRNGKey
from battprob.data.records import Cell
from battprob.inference import MAP
from battprob.inference.report import FitReport
from battprob.trajectories import _condition, _landmark, _population, _records
from battprob.trajectories._condition import CurveModel
from battprob.trajectories._landmark import Landmarks
from battprob.trajectories._population import PopulationDraws
from battprob.trajectories._shape import Roughness, Shape, identity_shape, make_basis
from battprob.trajectories.forecast import Forecast, make_forecast

_WINDOW = 0.01  # of a median record: its first cycles, which give the initial capacity
_LANDMARK_MEDIANS = 1024
_LIVES = 32  # lives (and paths) for each draw of the population
_COEFFICIENT_STD = 1.0  # prior of the coefficients of φ while roughness is fitted
_ROUGHNESS_STD = (1.5, 1.0, 1.5)  # prior of the logarithms of roughness


class FadeTrajectory(eqx.Module):
    r"""Hierarchical model of capacity against cycle, for cells that are still alive.

    The life of a cell is predicted by landmarking: it is compared with other cells that
    had a similar record at the same cycle (Gaussian process of early losses, leave-one-out
    residuals). A life $L_i$ is the cycle at which a cell has lost a reference fraction of
    its capacity. Given the life, the curve is hierarchical over cells: mean curve,
    deviation of the cell, rough path, and noise,

    $$Q_i(n) / Q_i(0) = m(n/L_i) + \sum_k x_{ik} \psi_k(n/L_i) + r_i(n) + \varepsilon.$$

    The deviations are correlated with the life as they are in the population; a knee is
    predicted where the cells show one. r is the sum of a Wiener process, whose variance
    grows with time, and an Ornstein-Uhlenbeck process. For a cell that has not lost the
    reference fraction, the life is imputed, once for each draw of the population.

    Records are thinned to medians of consecutive readings, which are robust against wrong
    readings, and divided by the median of the first cycles. The model does not use
    protocol or temperature: for a cell under conditions that no cell of the population
    had, its intervals are too narrow.

    Args:
        num_draws: draws of the population (epistemic uncertainty).
        monotone: paths never rise, so capacity that is lost does not recover. Lives are
            the same; without it, the Ornstein-Uhlenbeck part recovers capacity for a time.
        progress: show a progress bar on terminals: the curves, then each cell that has
            not lost the reference fraction.

    Example:
        >>> import jax
        >>> from battprob import data
        >>> cells = data.population(12, seed=0).cells
        >>> posterior = FadeTrajectory(progress=False).fit(cells[1:], key=jax.random.key(0))
        >>> forecast = posterior.forecast(cells[0], after_cycle=60)
        >>> forecast.life(threshold_ah=0.88).shape
        ()

    References:
        van Houwelingen, Scand. J. Stat. 34 (2007) 70,
        doi:10.1111/j.1467-9469.2006.00529.x (landmarking); Ramsay and Silverman,
        Functional Data Analysis (2nd ed., 2005), ch. 7 (curves on a common axis); Ye and
        Xie, Appl. Stoch. Models Bus. Ind. 31 (2015) 16, doi:10.1002/asmb.2063 (Wiener
        processes of degradation).
    """

    num_draws: int = eqx.field(default=32, static=True)
    monotone: bool = eqx.field(default=False, static=True)
    progress: bool = eqx.field(default=True, static=True)

    def __check_init__(self):
        if self.num_draws < 1:
            raise ValueError(f"num_draws must be at least 1; got {self.num_draws}")

    def fit(self, cells: Sequence[Cell], *, key: PRNGKey) -> "FadeTrajectoryPosterior":
        """Fit the population; records may end early, but three cells must have aged.

        Args:
            cells: cells of one kind. Capacities and protocols may differ.
            key: PRNG key. Forecasts use it too: the same key gives the same forecasts.

        Raises:
            DataError: fewer than three cells have lost 1 % of their capacity, two cells
                have the same name, or a cell has no capacity or no positive initial one.
        """
        _require_unique_names(cells)
        window = _WINDOW * float(np.median([cell.cycle[-1] for cell in cells]))
        curves = [_read(cell, window)[:2] for cell in cells]
        noise_variance = float(
            np.median([_records.estimate_noise_variance(q) for _, q in curves])
        )
        records = [_thin(n, q, noise_variance) for n, q in curves]
        reference = 1 - _records.reference_loss(records)
        life = np.array([_records.crossing(record, reference) for record in records])
        known, unknown = np.flatnonzero(~np.isnan(life)), np.flatnonzero(np.isnan(life))
        key_curves, key_population, key_forecast = jax.random.split(key, 3)
        rng = generator(key_population)
        with tqdm(
            total=1 + len(unknown), desc="fade", disable=None if self.progress else True
        ) as bar:
            curve_model, estimated, report = _fit_curves(
                [records[i] for i in known],
                life[known],
                reference,
                (window, noise_variance),
                key_curves,
            )
            bar.update()
            log_life = np.log(life)
            population = _population.sample(
                estimated, log_life[known], self.num_draws, rng
            )
            imputed = np.tile(log_life, (self.num_draws, 1))
            complete = _landmarks(curves, imputed, known)
            for i in unknown:
                draws = _landmark.sample_log_lives(
                    complete, *curves[i], curves[i][0][-1], rng, num=1
                )
                imputed[:, i] = draws[:, 0]
                bar.update()
        return FadeTrajectoryPosterior(
            population=jax.tree.map(jnp.asarray, population),
            curve_model=curve_model,
            landmarks=_landmarks(curves, imputed, np.arange(len(cells))),
            forecast_key=key_forecast,
            num_cells=len(cells),
            report=report,
            monotone=self.monotone,
        )


class FadeTrajectoryPosterior(eqx.Module):
    """Fitted population of capacity curves; `forecast` predicts one cell.

    Args:
        population: draws of the distribution of shapes.
        curve_model: model of capacity curves.
        landmarks: records and lives that a new cell is compared with.
        forecast_key: key of the draws of every forecast, derived from the key of `fit`.
        num_cells: number of cells in the population.
        report: report of the fit of the roughness.
        monotone: whether paths never rise.
    """

    population: PopulationDraws
    curve_model: CurveModel
    landmarks: Landmarks
    forecast_key: PRNGKey
    num_cells: int = eqx.field(static=True)
    report: FitReport = eqx.field(static=True)
    monotone: bool = eqx.field(static=True)

    def forecast(
        self, cell: Cell, *, after_cycle: int | float | None = None
    ) -> Forecast:
        """Forecast a cell after `after_cycle` from its capacities up to that cycle.

        Args:
            cell: its capacities after `after_cycle`, if there are any, are not used.
            after_cycle: default the last cycle of the record.

        Raises:
            DataError: the record has no capacity up to `after_cycle`, or ends before it.
        """
        if after_cycle is not None and after_cycle > cell.cycle[-1]:
            raise DataError(
                f"after_cycle must not exceed the last cycle of cell {cell.name!r}, "
                f"{cell.cycle[-1]}; got {after_cycle:g}: leave it out to forecast from "
                "the end of the record"
            )
        model = self.curve_model
        cycle, fraction, start_ah = _read(cell, float(model.window), after_cycle)
        record = model.with_age(_thin(cycle, fraction, float(model.noise_variance)))
        rng = generator(self.forecast_key)
        life = _records.crossing(
            jax.tree.map(np.asarray, record), float(model.reference)
        )
        if np.isnan(life):
            until = float(cycle[-1] if after_cycle is None else after_cycle)
            log_life = _landmark.sample_log_lives(
                self.landmarks, cycle, fraction, until, rng, num=_LIVES
            )
        else:
            log_life = np.full((len(self.population.mean), _LIVES), np.log(life))
        return make_forecast(
            model,
            self.population,
            record,
            start_ah,
            log_life,
            rng,
            monotone=self.monotone,
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back."""
        save(self, path)


def _require_unique_names(cells):
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"names must differ, but several cells are called {twice[0]!r}: rename or "
            "remove the duplicates"
        )


def _read(cell, window, until=None):
    """Cycles, capacities as fractions of the initial one, and the initial one in Ah."""
    cycle, capacity = _records.readings(cell, until=until)
    start = _records.start_ah(cell, window, until=until)
    return cycle, capacity / start, start


def _thin(cycle, fraction, noise_variance):
    own = _records.estimate_noise_variance(fraction, noise_variance)
    return _records.thin(cycle, fraction, own)


def _landmarks(curves, log_life, indices):
    """The cells at `indices` as landmarking compares with them."""
    pairs = [
        _records.medians(curves[i][0], curves[i][1], _LANDMARK_MEDIANS) for i in indices
    ]
    longest = max(len(cycle) for cycle, _ in pairs)

    def padded(arrays, value):
        widths = [(0, longest - len(array)) for array in arrays]
        each = zip(arrays, widths, strict=True)
        return np.stack([np.pad(a, w, constant_values=value) for a, w in each])

    cycle = padded([cycle for cycle, _ in pairs], np.inf)
    fraction = padded([fraction for _, fraction in pairs], 0.0)
    last_cycle = np.array([curves[i][0][-1] for i in indices])
    return Landmarks(cycle, fraction, last_cycle, log_life[:, indices])


def _fit_curves(records, life, reference, units, key):
    """Roughness by MAP, then the population of curves by EM, from cells of known life."""
    num, size = len(life), bucket(len(life))
    typical_life = jnp.asarray(np.exp(np.log(life).mean()))
    log_life = pad_rows(np.log(life), size)
    data = _records.Record(
        *(pad_rows(np.stack(leaves), size) for leaves in zip(*records, strict=True))
    )
    # Padded cells have no readings: they contribute nothing to the likelihood.
    data = data._replace(
        age=data.age / typical_life, mask=data.mask & (jnp.arange(size) < num)[:, None]
    )
    longest = np.quantile(np.asarray(data.last_cycle)[:num] / life, 0.9)
    basis = make_basis(float(longest))
    model = CurveModel(
        identity_shape(basis),
        _initial_roughness(),
        jnp.asarray(reference),
        typical_life,
        *(jnp.asarray(unit) for unit in units),
    )
    draws, report = MAP(num_starts=1).run(
        _log_joint, model.roughness, (data, log_life, model), key=key
    )
    model = model._replace(roughness=jax.tree.map(lambda leaf: leaf[0], draws))
    likelihood = _likelihood(data, log_life, model)
    estimated = _population.estimate(
        np.asarray(likelihood.precision)[:num], np.asarray(likelihood.information)[:num]
    )
    root = np.linalg.cholesky(estimated.covariance)
    shape = Shape(basis, jnp.asarray(estimated.mean), jnp.asarray(root))
    return model._replace(shape=shape), estimated, report


def _initial_roughness():
    """Start and prior median: 0.4 %, 3 % of a life, and 0.5 %."""
    return Roughness(*(jnp.asarray(np.log(value)) for value in (0.004, 0.03, 0.005)))


def _log_joint(roughness, data):
    """Log joint density of roughness and records, coefficients of φ integrated out."""
    record, log_life, model = data
    likelihood = _likelihood(record, log_life, model._replace(roughness=roughness))
    eye = jnp.eye(likelihood.information.shape[-1])[None]
    root = jnp.linalg.cholesky(likelihood.precision + eye / _COEFFICIENT_STD**2)
    whitened = solve_triangular(root, likelihood.information[..., None], lower=True)
    half_log_det = jnp.log(jnp.diagonal(root, axis1=1, axis2=2)).sum(1)
    squares = jnp.sum(whitened[..., 0] ** 2, axis=1)
    evidence = likelihood.constant + 0.5 * squares - half_log_det
    prior = sum(
        -0.5 * ((value - median) / std) ** 2
        for value, median, std in zip(
            roughness, _initial_roughness(), _ROUGHNESS_STD, strict=True
        )
    )
    return jnp.sum(evidence) + prior


@eqx.filter_jit
def _likelihood(record, log_life, model):
    factored = jax.vmap(_condition.factor, (0, None))(record, model.roughness)
    return jax.vmap(_condition.shape_likelihood, (0, 0, None, None))(
        factored, log_life, model.shape, model.reference
    )
