"""No method of inference changes a number that is declared with `fixed_field()`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from battprob._parameters import (
    FIXED,
    PARAMETER,
    fixed_field,
    map_parameters,
    ravel_parameters,
    select,
)
from battprob._typing import Array
from battprob.inference import MAP, NUTS, SVI, Laplace
from battprob.inference.quadrature import quadrature

METHODS = {
    "map": MAP(num_starts=2),
    "laplace": Laplace(2000),
    "nuts": NUTS(num_samples=2000, num_warmup=200),
    "svi": SVI(num_draws=2000, num_steps=1000, progress=False),
}


class Normal(eqx.Module):
    """One parameter with a normal prior, whose standard deviation is fixed."""

    location: Array
    prior_std: Array = fixed_field()


def _log_joint(parameters, data):
    prior = norm.logpdf(parameters["one"].location, 0.0, parameters["one"].prior_std)
    return prior + norm.logpdf(data, parameters["one"].location, 1.0)


START = {"one": Normal(jnp.zeros(()), 0.5)}
# Posterior of the location for a prior N(0, 0.5²) and one observation 2 ± 1.
VARIANCE = 1 / (1 + 1 / 0.5**2)
MEAN = 2.0 * VARIANCE


@pytest.mark.parametrize("name", METHODS)
def test_draws_keep_the_fixed_number(name, key):
    draws, _ = METHODS[name].run(_log_joint, START, jnp.asarray(2.0), key=key)
    location = np.asarray(draws["one"].location)
    np.testing.assert_array_equal(draws["one"].prior_std, np.full(len(location), 0.5))
    assert location.mean() == pytest.approx(MEAN, abs=0.05)
    if name != "map":
        assert location.var() == pytest.approx(VARIANCE, rel=0.2)


def test_quadrature_does_not_count_the_fixed_number_as_a_parameter(key):
    nodes, log_mass, _ = quadrature(_log_joint, START, jnp.asarray(2.0), key=key)
    assert nodes["one"].location.shape == (13,)
    np.testing.assert_array_equal(nodes["one"].prior_std, np.full(13, 0.5))
    expected = float(norm.logpdf(2.0, 0.0, (1 + 0.5**2) ** 0.5))
    assert float(jax.nn.logsumexp(log_mass)) == pytest.approx(expected, abs=1e-6)


def test_a_new_value_of_the_fixed_number_reuses_the_compiled_program(key):
    MAP().run(_log_joint, START, jnp.asarray(2.0), key=key)
    other = {"one": Normal(jnp.zeros(()), 2.0)}
    mode, report = MAP().run(_log_joint, other, jnp.asarray(2.0), key=key)
    assert report.seconds_compile == 0.0
    assert mode["one"].location[0] == pytest.approx(2.0 * 4 / 5, abs=1e-3)


def test_vectors_hold_parameters_only_and_map_back():
    class Pair(eqx.Module):
        first: Normal
        rest: tuple
        absent: Array | None
        all_fixed: Normal = fixed_field()
        name: str = eqx.field(static=True)

    tree = Pair(Normal(jnp.ones(2), 3.0), (jnp.zeros(1),), None, None, "pair")
    tree = eqx.tree_at(
        lambda t: t.all_fixed,
        tree,
        Normal(jnp.full(2, 7.0), 8.0),
        is_leaf=lambda leaf: leaf is None,
    )
    vector, unravel = ravel_parameters(tree)
    np.testing.assert_array_equal(vector, [1.0, 1.0, 0.0])
    back = unravel(vector + 1)
    np.testing.assert_array_equal(back.first.location, [2.0, 2.0])
    assert back.first.prior_std == 3.0
    assert back.all_fixed.prior_std == 8.0
    assert eqx.tree_equal(back, map_parameters(lambda leaf: leaf + 1, tree))
    fixed, parameters = select(tree, FIXED), select(tree, PARAMETER)
    assert [float(jnp.sum(a)) for a in jax.tree.leaves(fixed)] == [3.0, 14.0, 8.0]
    assert eqx.tree_equal(eqx.combine(parameters, fixed), tree)
