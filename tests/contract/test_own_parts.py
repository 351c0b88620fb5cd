"""Parts written with public names alone can be fitted, saved, loaded and used in campaigns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import battprob
from battprob import Dataset
from battprob.design import Campaign, Real, Space
from battprob.inference import MAP
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise.base import (
    AbstractNoise,
    fixed_field,
    log_parameter,
    replace,
    resolve_columns,
)
from battprob.priors.base import AbstractPrior, standard_normal, weight_variance

# The programs of CONTRIBUTING make the same claims in the default suite.
pytestmark = pytest.mark.slow


@battprob.register
class OwnPeriodic(AbstractKernel):
    """exp(-2 sin²(π (t - t')/p)), a function of one feature t that repeats after p."""

    log_period: jax.Array
    feature: str = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    prior_std: jax.Array = fixed_field()

    def __init__(self, feature, prior_std=0.5):
        self.log_period = log_parameter(1.0)
        self.feature, self.columns, self.prior_std = feature, (), prior_std

    def bind(self, feature_names):
        return replace(self, columns=resolve_columns([self.feature], feature_names))

    def log_prior(self):
        return norm.logpdf(self.log_period, 0.0, self.prior_std)

    def gram(self, x1, x2):
        t1, t2 = (x[:, self.columns[0]] for x in (x1, x2))
        phase = jnp.pi * (t1[:, None] - t2[None, :]) * jnp.exp(-self.log_period)
        return jnp.exp(-2 * jnp.sin(phase) ** 2)

    def diagonal(self, x):
        return jnp.ones_like(x[:, 0])


@battprob.register
class OwnTwoInstruments(AbstractNoise):
    """One variance below the mean of a feature, and another one above it."""

    log_variances: jax.Array
    feature: str = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    prior_std: jax.Array = fixed_field()

    def __init__(self, feature, prior_std=2.0):
        self.log_variances = log_parameter([0.1, 0.1])
        self.feature, self.columns, self.prior_std = feature, (), prior_std

    def bind(self, feature_names):
        return replace(self, columns=resolve_columns([self.feature], feature_names))

    def log_prior(self):
        return norm.logpdf(self.log_variances, -2.0, self.prior_std).sum()

    def variance(self, x, known):
        del known
        below, above = jnp.exp(self.log_variances)
        return jnp.where(x[:, self.columns[0]] < 0, below, above)

    def uses_known(self):
        return False


@battprob.register
class OwnEmphasis(AbstractPrior):
    """Weights of the chosen features are larger a priori, by a given factor."""

    z_tau: jax.Array
    features: tuple[str, ...] = eqx.field(static=True)
    chosen: tuple[bool, ...] = eqx.field(static=True)
    factor: jax.Array = fixed_field()

    def __init__(self, features, factor=5.0):
        self.z_tau = jnp.zeros(())
        self.features, self.chosen, self.factor = tuple(features), (), factor

    def bind(self, feature_names, num_rows):
        del num_rows
        columns = resolve_columns(self.features, feature_names)
        chosen = tuple(j in columns for j in range(len(feature_names)))
        return replace(self, chosen=chosen)

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        scale = jnp.sqrt(weight_variance(self.z_tau, len(self.chosen)))
        return scale * jnp.where(jnp.array(self.chosen), self.factor, 1.0)


QUICK = MAP(num_starts=1)
MODELS = {
    "kernel and noise model": GaussianProcess(
        OwnPeriodic("rate") + Matern52(), OwnTwoInstruments("rate"), inference=QUICK
    ),
    "prior": BayesianLinear(prior=OwnEmphasis(["rate"]), inference=QUICK),
}
SPACE = Space(Real("rate", 1.0, 5.0))
X = np.linspace(1.0, 5.0, 12)[:, None]
Y = np.sin(3 * X[:, 0])


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_posterior_predicts_the_same(name, key, tmp_path):
    data = Dataset(X, Y, feature_names=["rate"])
    posterior = MODELS[name].fit(data, key=key)
    posterior.save(tmp_path / "file")
    loaded = battprob.load(tmp_path / "file")
    one, other = posterior.predict(X + 0.1), loaded.predict(X + 0.1)
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.aleatoric, other.aleatoric)


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_campaign_suggests_the_same_test(name, key, tmp_path):
    campaign = Campaign.start(SPACE, model=MODELS[name], key=key, initial=6)
    initial = campaign.ask(6)
    results = [np.sin(3 * point["rate"]) for point in initial.points]
    campaign = campaign.tell(initial, results)
    campaign.save(tmp_path / "campaign")
    loaded = Campaign.load(tmp_path / "campaign")
    assert loaded.ask(1).points == campaign.ask(1).points
