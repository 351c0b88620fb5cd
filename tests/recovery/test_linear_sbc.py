"""Simulation-based calibration: ranks of true values among posterior draws are uniform.

For every prior, with plain rows, groups, censored labels, and a noise model of the features.
`SBC_COUNTS=file.json` writes the counts (the figure of notebook 02).

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
from battprob.models.linear._censored_labels import NO_ROW, CensoredLabels
from battprob.models.linear._density import (
    LinearParameters,
    log_joint,
    noise_variance,
    scaled_columns,
    targets,
)
from battprob.models.linear._rows import base_columns, linear_rows

pytestmark = pytest.mark.slow
NUM, NUM_GROUPS, SETS, DRAWS, THINNING, BINS = 20, 4, 200, 99, 5, 10
NAMES = ("a", "b", "c")
X = np.random.default_rng(0).normal(size=(NUM, len(NAMES)))
CODES = np.arange(NUM) % NUM_GROUPS
NEW = jnp.array([[1.0, 0.5, -1.0, 2.0]])  # intercept and features
BOUND = 0.5  # labels above it are censored: about every third one
PRIORS = {
    "Ridge": priors.Ridge(),
    "ARD": priors.ARD(),
    "Lasso": priors.Lasso(),
    "ElasticNet": priors.ElasticNet(),
    "GroupLasso": priors.GroupLasso([["a", "b"]]),
    "Horseshoe": priors.Horseshoe(expected_effects=1.0),
}
CASES = ("plain", "groups", "censored", "LogLinear")
STATISTICS = ("function", "noise", "prior scale", "between groups")


def _model(prior, case):
    """Initial parameters, and a function that draws parameters from their prior."""
    head = noise.LogLinear(["a"]) if case == "LogLinear" else noise.Constant()
    initial = LinearParameters(
        prior.bind(NAMES, NUM),
        head.bind(NAMES),
        GroupEffects(jnp.zeros(1), ()) if case == "groups" else None,
        jnp.zeros(NUM) if case == "censored" else None,
    )

    def draw(rng):
        drawn = map_parameters(lambda leaf: rng.normal(size=leaf.shape), initial)
        # Not standard normal a priori:
        if isinstance(prior, priors.Horseshoe):
            slab = -np.log(rng.gamma(2.0, 0.5))  # 1/c² is gamma(2) with rate 2
            object.__setattr__(drawn.prior, "log_slab_variance", slab)
        if isinstance(prior, priors.GroupLasso):
            shape = 0.5 * (np.bincount(initial.prior.group_of_feature) + 1)
            object.__setattr__(drawn.prior, "log_variance", np.log(rng.gamma(shape)))
        head = drawn.noise
        field = "intercept" if case == "LogLinear" else "log_variance"
        object.__setattr__(head, field, -2 + 2 * getattr(head, field))
        return jax.tree.map(jnp.asarray, drawn)

    return initial, draw


def _base(case):
    slopes = () if case == "groups" else None
    codes = jnp.asarray(CODES, jnp.int32)
    return base_columns(jnp.asarray(X), codes, slopes, NUM_GROUPS)


def _rows(y, case):
    """Rows of one simulated data set, not standardised."""
    labels = None
    if case == "censored":
        is_censored = y > BOUND
        row = jnp.where(is_censored, jnp.arange(NUM, dtype=jnp.int32), NO_ROW)
        low = jnp.where(is_censored, BOUND, -jnp.inf)
        labels = CensoredLabels(row, low, jnp.full(NUM, jnp.inf))
        y = jnp.minimum(y, BOUND)
    rows = Rows(jnp.asarray(X), y, jnp.zeros(NUM), jnp.ones(NUM, bool))
    slopes = () if case == "groups" else None
    codes = jnp.asarray(CODES, jnp.int32)
    head = noise.LogLinear() if case == "LogLinear" else noise.Constant()
    return linear_rows(rows, codes, slopes, NUM_GROUPS, labels, head)


def _statistics(parameters, function):
    """The ranked numbers: function at a new row, noise, prior scale, effect scale."""
    head = parameters.noise
    log_noise = getattr(head, "log_variance", None)
    log_noise = head.intercept if log_noise is None else log_noise
    ranked = [function, log_noise, parameters.prior.z_tau]
    if parameters.effects is not None:
        ranked.append(parameters.effects.coordinates[0])
    return jnp.stack(ranked)


def _at_new_row(parameters, weights):
    """The function at `NEW`, for an average group."""
    new = jnp.pad(NEW, ((0, 0), (0, len(weights) - NEW.shape[1])))
    return (scaled_columns(parameters, new) @ weights)[0]


def ranks(prior, case, sets=SETS, seed=0):
    """Rank of every true value among the draws of its data set [set statistic]."""
    initial, draw = _model(prior, case)
    _, unravel = ravel_parameters(initial)
    rng = np.random.default_rng(seed)
    base = _base(case)
    true_parameters, simulated, functions = [], [], []

    @jax.jit
    def simulate(parameters, weights, error):
        mean = scaled_columns(parameters, base) @ weights
        sd = jnp.sqrt(parameters.noise.variance(jnp.asarray(X), jnp.zeros(NUM)))
        return mean + sd * error, _at_new_row(parameters, weights)

    for _ in range(sets):
        parameters = draw(rng)
        weights, error = rng.normal(size=base.shape[1]), rng.normal(size=NUM)
        y, function = simulate(parameters, jnp.asarray(weights), jnp.asarray(error))
        true_parameters.append(parameters)
        simulated.append(y)
        functions.append(function)

    def rank(parameters, y, function, key):
        rows = _rows(y, case)
        key_start, key_chain, key_weights = jax.random.split(key, 3)
        flat = ravel_parameters(initial)[0]
        start = flat[None] + 0.5 * jax.random.normal(key_start, (1, flat.size))
        chain, _ = sample(
            lambda vector: log_joint(unravel(vector), rows),
            start,
            key=key_chain,
            num_warmup=400,
            num_samples=THINNING * DRAWS,
            dense_mass=True,
            target_accept_prob=0.9,
            max_tree_depth=7,
        )

        def statistics(vector, normals):
            drawn = unravel(vector)
            y, _ = targets(drawn, rows)
            columns = scaled_columns(drawn, rows.base)
            variance = noise_variance(drawn, rows)
            posterior = _conjugate.posterior(columns, y, variance)
            weights = _conjugate.draw(posterior, columns, variance, (normals, 0 * y))
            return _statistics(drawn, _at_new_row(drawn, weights))

        thinned = chain[0, THINNING - 1 :: THINNING]
        normals = jax.random.normal(key_weights, (DRAWS, rows.base.shape[1]))
        draws = jax.vmap(statistics)(thinned, normals)
        return jnp.sum(draws < _statistics(parameters, function)[None], axis=0)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *true_parameters)
    keys = jax.random.split(jax.random.key(seed), sets)
    arguments = (stacked, jnp.stack(simulated), jnp.stack(functions), keys)
    return np.asarray(jax.jit(jax.vmap(rank))(*arguments))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PRIORS)
def test_ranks_are_uniform(name, case):
    all_ranks = ranks(PRIORS[name], case)
    counts = {
        statistic: np.bincount(rank * BINS // (DRAWS + 1), minlength=BINS).tolist()
        for statistic, rank in zip(STATISTICS, all_ranks.T, strict=False)
    }
    if "SBC_COUNTS" in os.environ:
        path = pathlib.Path(os.environ["SBC_COUNTS"])
        stored = json.loads(path.read_text()) if path.exists() else {}
        stored.setdefault(name, {})[case] = counts
        path.write_text(json.dumps(stored, indent=1) + "\n")
    for statistic, count in counts.items():
        assert chisquare(count).pvalue > 1e-3, (statistic, count)
