"""Simulation-based calibration: truths drawn from the prior rank uniformly in draws.

For every prior, with plain rows, groups, labels stopped at a bound, and noise that varies.
`SBC_COUNTS=file.json` keeps the counts (the figure of notebook 02).

References: Talts et al., Validating Bayesian Inference Algorithms with Simulation-Based
Calibration, arXiv:1804.06788, theorem 1.
"""

import json
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from battprob import noise, priors
from battprob._parameters import map_parameters, ravel_parameters
from battprob.inference.nuts import sample
from battprob.models._effects import GroupEffects
from battprob.models._scaling import Rows
from battprob.models.linear import _conjugate
from battprob.models.linear import _rows as parts
from battprob.models.linear._hidden_labels import _NO_ROW, HiddenLabels
from battprob.models.linear._rows import LinearParameters

pytestmark = pytest.mark.slow
NUM, NUM_GROUPS, SETS, DRAWS, THINNING, BINS = 20, 4, 200, 99, 5, 10
NAMES = ("a", "b", "c")
X = np.random.default_rng(0).normal(size=(NUM, len(NAMES)))
CODES = np.arange(NUM) % NUM_GROUPS
NEW = jnp.array([[1.0, 0.5, -1.0, 2.0]])  # intercept and features
STOP = 0.5  # where a test is stopped: about every third label is hidden
PRIORS = {
    "Ridge": priors.Ridge(),
    "ARD": priors.ARD(),
    "Lasso": priors.Lasso(),
    "ElasticNet": priors.ElasticNet(),
    "GroupLasso": priors.GroupLasso([["a", "b"]]),
    "Horseshoe": priors.Horseshoe(expected_effects=1.0),
}
CASES = ("plain", "groups", "censored", "LogLinear")
STATISTICS = ("function", "noise", "level", "between groups")


def _model(prior, case):
    """Parameters at the middle of their prior, and how to draw them from it."""
    head = noise.LogLinear(["a"]) if case == "LogLinear" else noise.Constant()
    start = LinearParameters(
        prior.bind(NAMES, NUM),
        head.bind(NAMES),
        GroupEffects(jnp.zeros(1), ()) if case == "groups" else None,
        jnp.zeros(NUM) if case == "censored" else None,
    )

    def draw(rng):
        drawn = map_parameters(lambda leaf: rng.normal(size=leaf.shape), start)
        if isinstance(prior, priors.Horseshoe):
            slab = -np.log(rng.gamma(2.0, 0.5))  # 1/c² is gamma(2) of rate 2
            object.__setattr__(drawn.prior, "log_slab_variance", slab)
        if isinstance(prior, priors.GroupLasso):
            family = 0.5 * (np.bincount(start.prior.group_of_feature) + 1)
            object.__setattr__(drawn.prior, "log_variance", np.log(rng.gamma(family)))
        own = drawn.noise
        if case == "LogLinear":
            object.__setattr__(own, "intercept", -2 + 2 * own.intercept)
        else:
            object.__setattr__(own, "log_variance", -2 + 2 * own.log_variance)
        return jax.tree.map(jnp.asarray, drawn)

    return start, draw


def _base(case):
    slopes = () if case == "groups" else None
    codes = jnp.asarray(CODES, jnp.int32)
    return parts.base_columns(jnp.asarray(X), codes, slopes, NUM_GROUPS)


def _rows(y, case):
    """Rows of one simulated set, as `fit` makes them but for the scaling."""
    hidden = None
    if case == "censored":
        beyond = y > STOP
        place = jnp.where(beyond, jnp.arange(NUM, dtype=jnp.int32), _NO_ROW)
        low = jnp.where(beyond, STOP, -jnp.inf)
        hidden = HiddenLabels(place, low, jnp.full(NUM, jnp.inf))
        y = jnp.minimum(y, STOP)
    rows = Rows(jnp.asarray(X), y, jnp.zeros(NUM), jnp.ones(NUM, bool))
    slopes = () if case == "groups" else None
    codes = jnp.asarray(CODES, jnp.int32)
    head = noise.LogLinear() if case == "LogLinear" else noise.Constant()
    return parts.linear_rows(rows, codes, slopes, NUM_GROUPS, hidden, head)


def _statistics(parameters, function):
    """What is ranked: the function at a new row, the noise, the prior's level, groups."""
    level = parameters.prior.z_tau
    head = parameters.noise
    log_noise = getattr(head, "log_variance", None)
    log_noise = head.intercept if log_noise is None else log_noise
    ranked = [function, log_noise, level]
    if parameters.effects is not None:
        ranked.append(parameters.effects.coordinates[0])
    return jnp.stack(ranked)


def ranks(prior, case, sets=SETS, seed=0):
    """Rank of every truth among the draws of its own set [set statistic]."""
    start, draw = _model(prior, case)
    _, unravel = ravel_parameters(start)
    rng = np.random.default_rng(seed)
    base = _base(case)
    truths, targets, functions = [], [], []

    @jax.jit
    def simulate(truth, normals, error):
        columns = parts.columns(truth, base)
        sd = jnp.sqrt(truth.noise.variance(jnp.asarray(X), jnp.zeros(NUM)))
        new = jnp.pad(NEW, ((0, 0), (0, base.shape[1] - NEW.shape[1])))
        return columns @ normals + sd * error, (parts.columns(truth, new) @ normals)[0]

    for _ in range(sets):
        truth = draw(rng)
        normals, error = rng.normal(size=base.shape[1]), rng.normal(size=NUM)
        y, function = simulate(truth, jnp.asarray(normals), jnp.asarray(error))
        truths.append(truth)
        targets.append(y)
        functions.append(function)

    def rank(truth, y, function, key):
        rows = _rows(y, case)
        key_start, key_chain, key_weights = jax.random.split(key, 3)
        flat = ravel_parameters(start)[0]
        begin = flat[None] + 0.5 * jax.random.normal(key_start, (1, flat.size))
        drawn, _ = sample(
            lambda vector: parts.log_joint(unravel(vector), rows),
            begin,
            key=key_chain,
            num_warmup=400,
            num_samples=THINNING * DRAWS,
            dense_mass=True,
            target_accept_prob=0.9,
            max_tree_depth=7,
        )

        def one(vector, normals):
            parameters = unravel(vector)
            y, _ = parts.targets(parameters, rows)
            columns = parts.columns(parameters, rows.base)
            variance = parts.variance(parameters, rows)
            weights = _conjugate.posterior(columns, y, variance)
            own = _conjugate.draw(weights, columns, variance, (normals, 0 * y))
            new = jnp.pad(NEW, ((0, 0), (0, columns.shape[1] - NEW.shape[1])))
            return _statistics(parameters, (parts.columns(parameters, new) @ own)[0])

        kept = drawn[0, THINNING - 1 :: THINNING]
        normals = jax.random.normal(key_weights, (DRAWS, rows.base.shape[1]))
        draws = jax.vmap(one)(kept, normals)
        return jnp.sum(draws < _statistics(truth, function)[None], axis=0)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *truths)
    keys = jax.random.split(jax.random.key(seed), sets)
    every = (stacked, jnp.stack(targets), jnp.stack(functions), keys)
    return np.asarray(jax.jit(jax.vmap(rank))(*every))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PRIORS)
def test_ranks_are_uniform(name, case):
    found = ranks(PRIORS[name], case)
    counts = {
        statistic: np.bincount(rank * BINS // (DRAWS + 1), minlength=BINS).tolist()
        for statistic, rank in zip(STATISTICS, found.T, strict=False)
    }
    if "SBC_COUNTS" in os.environ:
        path = pathlib.Path(os.environ["SBC_COUNTS"])
        stored = json.loads(path.read_text()) if path.exists() else {}
        stored.setdefault(name, {})[case] = counts
        path.write_text(json.dumps(stored, indent=1) + "\n")
    for statistic, count in counts.items():
        assert chisquare(count).pvalue > 1e-3, (statistic, count)
