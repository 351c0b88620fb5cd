"""Forecasts of capacity from a partial curve, learned from a population of cells."""

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
from battprob._typing import Array, PRNGKey
from battprob.data.records import Cell
from battprob.inference import MAP
from battprob.inference.report import FitReport
from battprob.trajectories import _condition as condition
from battprob.trajectories import _landmark as landmark
from battprob.trajectories import _population as people
from battprob.trajectories import _records as records
from battprob.trajectories._condition import Setting
from battprob.trajectories._shape import Roughness, Shape, curves, plain
from battprob.trajectories.forecast import Forecast, look_ahead

_WINDOW = 0.01  # of a record: the cycles whose capacity is the unit
_MEDIANS = 1024
_PATHS = 32
_LOOSE = 1.0  # prior sd of the coefficients of φ, for roughness
_SPREADS = (1.5, 1.0, 1.5)  # prior sd of the logarithms of roughness


class FadeTrajectory(eqx.Module):
    r"""Capacity against cycle of a cell that has not reached its end, from cells that have.

    How long a cell lives is foretold from what the others' lives were after like records
    (`_fade_landmark`: a Gaussian process of early losses, residuals of cells left out).
    Given a life $L_i$, where the cell has lost a reference share of its capacity, its curve
    is hierarchical over cells: a mean, the cell's departure from it, a rough path and noise,

    $$Q_i(n) / Q_i(0) = m(n/L_i) + \sum_k x_{ik} \psi_k(n/L_i) + r_i(n) + \varepsilon.$$

    Departures go with the life as they do over the population; a knee is where the cells
    show one; r is a Wiener process, whose variance grows with time, and bumps that pass. A
    cell that has not lost the reference share counts by draws of its life (one imputation
    a draw).

    Capacities are thinned to medians of readings in a row, which glitches do not move, and
    taken as fractions of the median of the first cycles. A protocol or temperature that
    no cell of the population had is not known to be one: intervals are then too narrow.

    Args:
        num_draws: draws of what is not known of the population (epistemic).
        monotone: what is lost is lost: paths never rise. Lives are the same; without it,
            rest and bumps bring capacity back for a while.
        progress: show a bar on terminals: curves, then each cell that has not aged.

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
        doi:10.1111/j.1467-9469.2006.00529.x (landmarks); Ramsay and Silverman, Functional
        Data Analysis (2nd ed., 2005), ch. 7 (curves on a common axis); Ye and Xie, Appl. Stoch. Models Bus. Ind. 31 (2015) 16,
        doi:10.1002/asmb.2063 (Wiener processes of degradation).
    """

    num_draws: int = eqx.field(default=32, static=True)
    monotone: bool = eqx.field(default=False, static=True)
    progress: bool = eqx.field(default=True, static=True)

    def __check_init__(self):
        if self.num_draws < 1:
            raise ValueError(f"num_draws must be positive; got {self.num_draws}")

    def fit(self, cells: Sequence[Cell], *, key: PRNGKey) -> "FadeTrajectoryPosterior":
        """Learn the population; records may end early, and three must have aged.

        Args:
            cells: of one kind; their sizes may differ, as may their protocols.
            key: PRNG key; the same key gives the same answer, forecasts too.

        Raises:
            DataError: fewer than three cells have lost 1 % of their capacity, two have the
                same name, or one has no capacities or a start that is not positive.
        """
        _require_names(cells)
        window = _WINDOW * float(np.median([cell.cycle[-1] for cell in cells]))
        seen = [_read(cell, window)[:2] for cell in cells]
        white = float(np.median([records.white_variance(q) for _, q in seen]))
        thinned = [_thin(n, q, white) for n, q in seen]
        loss = records.reference_loss(thinned)
        life = np.array([records.crossing(r, 1 - loss) for r in thinned])
        known, unknown = np.flatnonzero(~np.isnan(life)), np.flatnonzero(np.isnan(life))
        key_shape, key_people, key_forecast = jax.random.split(key, 3)
        rng = generator(key_people)
        bar = tqdm(
            total=1 + len(unknown), desc="fade", disable=None if self.progress else True
        )
        setting, learned, report = _learn_shape(
            [thinned[i] for i in known],
            life[known],
            1 - loss,
            (window, white),
            key_shape,
        )
        bar.update()
        log_life = np.log(life)
        population = people.sample(learned, log_life[known], self.num_draws, rng)
        finished = _landmarks(seen, np.tile(log_life, (self.num_draws, 1)), known)
        drawn = np.tile(log_life, (self.num_draws, 1))
        for i in unknown:
            drawn[:, i] = landmark.lives(
                finished, *seen[i], seen[i][0][-1], rng, num=1
            )[:, 0]
            bar.update()
        bar.close()
        return FadeTrajectoryPosterior(
            population=jax.tree.map(jnp.asarray, population),
            setting=setting,
            landmarks=_landmarks(seen, drawn, np.arange(len(cells))),
            num_cells=len(cells),
            report=report,
            monotone=self.monotone,
            key_data=jax.random.key_data(key_forecast),
        )


class FadeTrajectoryPosterior(eqx.Module):
    """A population of fading cells, from which one cell's future is forecast."""

    population: people.Population
    setting: Setting
    landmarks: landmark.Landmarks
    key_data: Array
    num_cells: int = eqx.field(static=True)
    report: FitReport = eqx.field(static=True)
    monotone: bool = eqx.field(static=True)

    def forecast(
        self, cell: Cell, *, after_cycle: int | float | None = None
    ) -> Forecast:
        """What comes after `after_cycle`, given the cell's capacities until then.

        Args:
            cell: its later capacities, if it has any, are not looked at.
            after_cycle: default the last cycle of the record.

        Raises:
            DataError: the record has no capacity until then, or ends before.
        """
        if after_cycle is not None and after_cycle > cell.cycle[-1]:
            raise DataError(
                f"cell {cell.name!r} ends at cycle {cell.cycle[-1]}, before after_cycle="
                f"{after_cycle:g}: leave after_cycle out to forecast from its end"
            )
        setting = self.setting
        cycle, fraction, start_ah = _read(cell, float(setting.window), after_cycle)
        record = setting.aged(_thin(cycle, fraction, float(setting.white)))
        rng = generator(jax.random.wrap_key_data(self.key_data))
        life = records.crossing(jax.tree.map(np.asarray, record), float(setting.level))
        if np.isnan(life):
            until = float(cycle[-1] if after_cycle is None else after_cycle)
            log_life = landmark.lives(
                self.landmarks, cycle, fraction, until, rng, num=_PATHS
            )
        else:
            log_life = np.full((len(self.population.mean), _PATHS), np.log(life))
        return look_ahead(
            setting,
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


def _require_names(cells):
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"several cells are called {twice[0]!r}: names must differ")


def _read(cell, window, until=None):
    """Cycles, capacities as fractions of the start, and the start."""
    cycle, capacity = records.readings(cell, until=until)
    start = records.start_ah(cell, window, until=until)
    return cycle, capacity / start, start


def _thin(cycle, fraction, white):
    return records.thin(cycle, fraction, records.white_variance(fraction, white))


def _landmarks(seen, log_life, rows):
    """Cells `rows` of the population as others are compared with them."""
    pairs = [records.medians(seen[i][0], seen[i][1], _MEDIANS) for i in rows]
    longest = max(len(cycle) for cycle, _ in pairs)

    def padded(arrays, end):
        widths = [(0, longest - len(array)) for array in arrays]
        each = zip(arrays, widths, strict=True)
        return np.stack([np.pad(a, w, constant_values=end) for a, w in each])

    cycle = padded([cycle for cycle, _ in pairs], np.inf)
    fraction = padded([fraction for _, fraction in pairs], 0.0)
    last = np.array([seen[i][0][-1] for i in rows])
    return landmark.Landmarks(cycle, fraction, last, log_life[:, rows])


def _learn_shape(thinned, life, level, units, key):
    """Mean curve, its spread and roughness from cells of known life."""
    num, size = len(life), bucket(len(life))
    typical = jnp.asarray(np.exp(np.log(life).mean()))
    log_life = pad_rows(np.log(life), size)
    data = records.Record(
        *(pad_rows(np.stack(leaves), size) for leaves in zip(*thinned, strict=True))
    )
    # Rows that fill the bucket have no reading: what they say is nought.
    data = data._replace(
        age=data.age / typical, mask=data.mask & (jnp.arange(size) < num)[:, None]
    )
    basis = curves(float(np.quantile(np.asarray(data.last)[:num] / life, 0.9)))
    units = [jnp.asarray(unit) for unit in units]
    setting = Setting(plain(basis), _start(), jnp.asarray(level), typical, *units)
    draws, report = MAP(num_starts=1).run(
        _log_joint, setting.roughness, (data, log_life, setting), key=key
    )
    setting = setting._replace(roughness=jax.tree.map(lambda leaf: leaf[0], draws))
    said = _evidence(data, log_life, setting)
    learned = people.learn(np.asarray(said.matrix)[:num], np.asarray(said.vector)[:num])
    root = np.linalg.cholesky(learned.covariance)
    shape = Shape(basis, jnp.asarray(learned.mean), jnp.asarray(root))
    return setting._replace(shape=shape), learned, report


def _start():
    return Roughness(*(jnp.asarray(np.log(value)) for value in (0.004, 0.03, 0.005)))


def _log_joint(roughness, data):
    """Evidence of the roughness; shapes are integrated out under a loose prior."""
    record, log_life, setting = data
    said = _evidence(record, log_life, setting._replace(roughness=roughness))
    eye = jnp.eye(said.vector.shape[-1])[None]
    root = jnp.linalg.cholesky(said.matrix + eye / _LOOSE**2)
    white = solve_triangular(root, said.vector[..., None], lower=True)[..., 0]
    size = jnp.log(jnp.diagonal(root, axis1=1, axis2=2)).sum(1)
    fit = said.constant + 0.5 * jnp.sum(white**2, axis=1) - size
    start = _start()
    prior = sum(
        -0.5 * ((now - centre) / spread) ** 2
        for now, centre, spread in zip(roughness, start, _SPREADS, strict=True)
    )
    return jnp.sum(fit) + prior


@eqx.filter_jit
def _evidence(record, log_life, setting):
    known = jax.vmap(condition.seen, (0, None))(record, setting.roughness)
    return jax.vmap(condition.evidence, (0, 0, None, None))(
        known, log_life, setting.shape, setting.level
    )
