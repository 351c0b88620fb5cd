"""Forecasts of capacity from a partial curve, learned from a population of cells."""

import os
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from battprob._errors import DataError
from battprob._serialise import save
from battprob._typing import Array, PRNGKey
from battprob.data.records import Cell
from battprob.inference import MAP, FitReport
from battprob.models import _fade_population as people
from battprob.models import _fade_records as records
from battprob.models._fade_forecast import Forecast, Setting, impute, look_ahead
from battprob.models._fade_shape import Roughness, curves, plain, principal

_COMPONENTS = 3
_LOOSE = 2.0  # prior sd of the components, of unit variance over cells, for roughness
_SPREADS = (1.5, 1.0, 1.5)  # prior sd of the logarithms of roughness


class FadeTrajectory(eqx.Module):
    r"""Capacity against cycle of a cell that has not reached its end, from cells that have.

    Hierarchical over cells: on the axis of a latent life $L_i$, a mean curve, the cell's
    departure from it, a rough path and noise,

    $$Q_i(n) / Q_i(0) = m(n/L_i) + \sum_k x_{ik} \psi_k(n/L_i) + r_i(n) + \varepsilon.$$

    $L_i$ is where the cell has lost a reference share of its capacity; $\psi_k$ are principal
    components of the curves, so that a knee is where the cells show one; r is a Wiener
    process, whose variance grows with time, and bumps that pass. The population of
    $(\log L_i, x_i)$ is a mixture of neighbourhoods with heavy tails: cells of one protocol
    may lie together, and a new one apart. A cell that has not lost the reference share
    counts by a draw of its life and shape given its record (one imputation a draw).

    Capacities are thinned to medians of readings in a row, which glitches do not move, and
    taken as fractions of the median of the first three readings.

    Of synthetic cells (forty to learn from, thirty foretold at 30 % of life) the 90 %
    interval of life held 63 %: where lives differ by more than the population's shape
    tells, it is too narrow. Check it on cells of your own before you rely on it.

    Args:
        num_draws: draws of what is not known of the population (epistemic).
        monotone: what is lost is lost: paths never rise. Lives are the same; without it,
            rest and bumps bring capacity back for a while.

    Example:
        >>> import jax
        >>> from battprob import data
        >>> cells = data.population(12, seed=0).cells
        >>> posterior = FadeTrajectory().fit(cells[1:], key=jax.random.key(0))
        >>> forecast = posterior.forecast(cells[0], after_cycle=60)
        >>> forecast.life(threshold_ah=0.88).shape
        ()

    References:
        Ramsay and Silverman, Functional Data Analysis (2nd ed., 2005), ch. 7-8 (landmarks,
        components); Ye and Xie, Appl. Stoch. Models Bus. Ind. 31 (2015) 16,
        doi:10.1002/asmb.2063 (Wiener processes of degradation).
    """

    num_draws: int = eqx.field(default=32, static=True)
    monotone: bool = eqx.field(default=False, static=True)

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
        thinned = [_record(cell)[0] for cell in cells]
        loss = records.reference_loss(thinned)
        life = np.array([records.crossing(r, 1 - loss) for r in thinned])
        known, unknown = np.flatnonzero(~np.isnan(life)), np.flatnonzero(np.isnan(life))
        log_life = jnp.asarray(np.log(life[known]))
        key_shape, key_people, key_impute, key_again, key_forecast = jax.random.split(
            key, 5
        )
        setting, theta, report = _learn_shape(
            [thinned[i] for i in known], log_life, 1 - loss, key_shape
        )
        population = people.sample(theta, key_people, num=self.num_draws)
        if len(unknown):
            keys = jax.random.split(key_impute, len(unknown))
            imputed = [
                impute(setting, population, setting.aged(thinned[i]), keys[k])
                for k, i in enumerate(unknown)
            ]
            population = people.sample_each(theta, jnp.stack(imputed, 1), key_again)
        return FadeTrajectoryPosterior(
            population=population,
            setting=setting,
            num_cells=len(cells),
            report=report,
            monotone=self.monotone,
            key_data=jax.random.key_data(key_forecast),
        )


class FadeTrajectoryPosterior(eqx.Module):
    """A population of fading cells, from which one cell's future is forecast."""

    population: people.Population
    setting: Setting
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
        record, start_ah = _record(cell, after_cycle)
        record = self.setting.aged(record)
        key = jax.random.wrap_key_data(self.key_data)
        return look_ahead(
            self.setting, self.population, record, start_ah, key, monotone=self.monotone
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it back."""
        save(self, path)


def _require_names(cells):
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"several cells are called {twice[0]!r}: names must differ")


def _record(cell, until=None):
    cycle, capacity = records.readings(cell, until=until)
    start = records.start_ah(cell, until=until)
    return records.thin(cycle, capacity / start), start


def _learn_shape(thinned, log_life, level, key):
    """Mean curve, components and roughness from cells of known life; their (log L, x)."""
    data = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *thinned)
    typical = jnp.exp(jnp.mean(log_life))
    longest = np.quantile(np.asarray(data.last) / np.exp(np.asarray(log_life)), 0.9)
    basis = curves(float(longest))
    first = Setting(plain(basis), _start(), jnp.asarray(level), typical)
    data = data._replace(age=data.age / typical)
    z = _ridge(data, log_life, first)
    shape = principal(basis, z, min(_COMPONENTS, len(thinned) - 1))
    setting = first._replace(shape=shape)
    draws, report = MAP(num_starts=1).run(
        _log_joint, setting.roughness, (data, log_life, setting), key=key
    )
    setting = setting._replace(roughness=jax.tree.map(lambda leaf: leaf[0], draws))
    x = _ridge(data, log_life, setting)
    return setting, jnp.concatenate([log_life[:, None], x], axis=1), report


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
def _ridge(record, log_life, setting):
    said = _evidence(record, log_life, setting)
    eye = jnp.eye(said.vector.shape[-1])[None]
    return jnp.linalg.solve(said.matrix + eye, said.vector[..., None])[..., 0]


def _evidence(record, log_life, setting):
    known = jax.vmap(people.seen, (0, None))(record, setting.roughness)
    return jax.vmap(people.evidence, (0, 0, None, None))(
        known, log_life, setting.shape, setting.level
    )
