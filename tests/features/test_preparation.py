"""Steps learn from training rows alone, go there and back, and carry variances."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from battprob import DataError
from battprob.features import FeatureTable
from battprob.features.preparation import Chain, Log10, PrincipalComponents, Standardise

RNG = np.random.default_rng(0)
X = np.exp(RNG.standard_normal((12, 4)) @ RNG.standard_normal((4, 4)))


def table(x=X, variance=None):
    return FeatureTable(
        x,
        names=["a", "b", "c", "d"][: x.shape[1]],
        units=["V", "A", "", "Ah"][: x.shape[1]],
        rows=[str(i) for i in range(len(x))],
        variance=variance,
        groups=["g"] * len(x),
    )


ALL = [
    Standardise(),
    Log10(["b", "d"]),
    PrincipalComponents(4),
    Chain([Log10(["a", "b", "c", "d"]), Standardise(), PrincipalComponents(4)]),
]


@pytest.mark.parametrize("step", ALL, ids=["scale", "log", "components", "chain"])
def test_there_and_back(step):
    fitted = step.fit(table())
    again = fitted.inverse(fitted.apply(table()))
    np.testing.assert_allclose(again.x, X, rtol=1e-9)
    assert (again.names, again.units, again.rows, again.groups) == (
        table().names,
        table().units,
        table().rows,
        table().groups,
    )


@pytest.mark.parametrize("step", ALL, ids=["scale", "log", "components", "chain"])
def test_a_row_is_treated_the_same_whatever_stands_beside_it(step):
    train, test = table().take(slice(8)), table().take([8, 9, 10, 11])
    fitted = step.fit(train)
    together = fitted.apply(test)
    alone = fitted.apply(test.take([2]))
    np.testing.assert_allclose(alone.x[0], together.x[2], rtol=1e-12)
    changed = np.array(test.x)
    changed[[0, 1, 3]] *= 100
    np.testing.assert_allclose(fitted.apply(table(changed)).x[2], together.x[2])


def test_values_are_those_of_scikit_learn():
    scaled = Standardise().fit(table()).apply(table()).x
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(X), atol=1e-12)
    ours = np.asarray(PrincipalComponents(2).fit(table()).apply(table()).x)
    theirs = PCA(2).fit_transform(np.asarray(scaled))
    theirs /= theirs.std(axis=0)
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, signs * theirs, atol=1e-9)


def test_fewer_components_go_back_to_the_nearest_features():
    fitted = PrincipalComponents(2).fit(table())
    once = fitted.inverse(fitted.apply(table()))
    twice = fitted.inverse(fitted.apply(once))
    np.testing.assert_allclose(once.x, twice.x, rtol=1e-9)
    assert not np.allclose(once.x, X)


def test_variances_follow_the_chain():
    variance = np.full_like(X, 1e-6)
    chain = Chain([Log10(["a"]), Standardise()]).fit(table())
    made = chain.apply(table(variance=variance))
    logs = np.log10(X[:, 0])
    slope = 1 / (X[:, 0] * np.log(10) * logs.std())
    np.testing.assert_allclose(made.variance[:, 0], slope**2 * 1e-6, rtol=1e-9)
    np.testing.assert_allclose(made.variance[:, 1], 1e-6 / X[:, 1].var(), rtol=1e-9)
    assert (made.names[0], made.units) == ("log10_a", ("",) * 4)


def test_a_column_that_does_not_vary_is_only_centred():
    constant = X.copy()
    constant[:, 1] = 0.3
    made = Standardise().fit(table(constant)).apply(table(constant))
    np.testing.assert_allclose(made.x[:, 1], 0, atol=1e-12)
    assert jnp.isfinite(made.x).all()


def test_faulty_use_is_refused():
    holed = X.copy()
    holed[3, 2] = np.nan
    with pytest.raises(DataError, match="'c' is missing or infinite in row '3'"):
        Standardise().fit(table(holed))
    with pytest.raises(DataError, match="expected columns"):
        Standardise().fit(table()).apply(table(X[:, :3]))
    with pytest.raises(DataError, match="1 to 4 components; got num=5"):
        PrincipalComponents(5).fit(table())
    with pytest.raises(DataError, match="no feature 'z'"):
        Log10(["z"]).fit(table())
    with pytest.raises(DataError, match="at least one step"):
        Chain([])
