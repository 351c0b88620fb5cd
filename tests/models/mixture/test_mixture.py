"""`ProtocolMixture` against sums over all assignments, separate fits, and its own promises."""

import itertools
import math

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import battprob as bp
from battprob import DataError, Dataset, kernels, noise
from battprob.models import (
    BayesianLinear,
    ConstantGate,
    GaussianProcess,
    ProtocolMixture,
    SoftmaxGate,
)
from battprob.models._scaling import Rows
from battprob.models.mixture._bound import MixtureData, log_joint, log_prior, shares
from battprob.models.mixture._common import Common
from battprob.models.mixture._experts import LinearExpert, ProcessExpert
from battprob.models.mixture._search import initial
from battprob.priors import Ridge

NAMES = ("rate", "temperature_c")
NOISE_STEPS = (0.0, 0.8)
COMMON = eqx.tree_at(
    lambda own: own.slopes, Common(Ridge().bind(["rate"], 6)), jax.numpy.asarray([0.7])
)
EXPERTS = {
    "linear": LinearExpert(common=COMMON, noise=noise.Constant()),
    "process": ProcessExpert(
        kernel=kernels.RBF().bind(["rate"]), noise=noise.Constant()
    ),
}


def simulated(num=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, 2))
    u = (rng.random(num) < 1 / (1 + np.exp(-2 * x[:, 1]))).astype(int)
    y = 5.0 * u + np.array([1.0, -0.5])[u] * x[:, 0] + 0.5 * rng.normal(size=num)
    return x, u, y


def dataset(x, y, protocol=None):
    return Dataset(x, y, protocol=protocol, feature_names=NAMES)


MODEL = ProtocolMixture(
    BayesianLinear(), 2, SoftmaxGate(["temperature_c"]), num_starts=4
)


@pytest.fixture(scope="module")
def fitted():
    x, _, y = simulated()
    return MODEL.fit(dataset(x, y), key=jax.random.key(0))


def small(expert, separation):
    """Seven rows of two protocols, three bits of padding, and parameters to match."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(8, 1))
    y = np.where(np.arange(8) % 2 == 0, -1, 1) * separation + 0.2 * rng.normal(size=8)
    mask = np.arange(8) < 7
    rows = Rows(*map(np.asarray, (x, np.where(mask, y, 0.0), np.zeros(8), mask)))
    rows = jax.tree.map(jax.numpy.asarray, rows)
    labels = np.full(8, -1, np.int32)
    labels[0] = 0
    data = MixtureData(rows, jax.numpy.asarray(labels), jax.numpy.ones(2))
    gate = ConstantGate().bind(["rate"], 2)
    start = initial(EXPERTS[expert], gate, 2, shared=False)
    noises = jax.numpy.asarray(NOISE_STEPS)
    return eqx.tree_at(
        lambda own: own.departures.noise.log_variance, start, noises
    ), data


def law(expert, x, noise_step=0.0):
    """Prior mean and covariance of targets, written out."""
    if isinstance(expert, LinearExpert):
        scale = float(expert.common.prior.scales()[0])
        mean = math.sqrt(0.5) * scale * 0.7 * x[:, 0]
        gram = math.exp(-1.0) + 0.5 * scale**2 * x @ x.T
    else:
        mean = np.zeros(len(x))
        gram = np.asarray(expert.kernel.gram(*2 * [jax.numpy.asarray(x)]))
    variance = math.exp(float(expert.noise.log_variance) + 0.5 * noise_step)
    return mean, gram + variance * np.eye(len(x))


def enumerated(expert, data):
    """log p(y | θ): the sum over all protocols that the unknown rows may be on."""
    inside = np.asarray(data.rows.mask)
    x, y = np.asarray(data.rows.x)[inside], np.asarray(data.rows.y)[inside]
    laws = [law(EXPERTS[expert], x, step) for step in NOISE_STEPS]
    terms = []
    for others in itertools.product([0, 1], repeat=len(y) - 1):
        u = np.array([0, *others])
        density = len(y) * math.log(0.5)
        for k, (mean, cov) in enumerate(laws):
            own = np.flatnonzero(u == k)
            if len(own):
                part = multivariate_normal(mean[own], cov[np.ix_(own, own)])
                density += part.logpdf(y[own])
        terms.append(density)
    return logsumexp(terms)


@pytest.mark.parametrize("expert", EXPERTS)
def test_bound_is_below_the_evidence_and_meets_it_for_separate_protocols(expert):
    gaps = []
    for separation in (0.7, 9.0):
        parameters, data = small(expert, separation)
        share = np.where(np.arange(8) % 2 == np.arange(2)[:, None], 0.9, 0.1)
        for _ in range(60):
            share = shares(parameters, data, jax.numpy.asarray(share))
        bound = log_joint(parameters, (data, share)) - log_prior(parameters)
        gaps.append(enumerated(expert, data) - float(bound))
    assert gaps[0] > 0
    assert abs(gaps[1]) < 1e-3


@pytest.mark.parametrize("expert", EXPERTS)
def test_shares_of_nought_and_one_make_the_evidence_of_own_rows(expert):
    _, data = small(expert, 2.0)
    own = np.array([0, 3, 4])
    share = np.isin(np.arange(8), own).astype(float)
    rows = EXPERTS[expert].centred(data.rows)
    found = EXPERTS[expert].log_evidence(rows, jax.numpy.asarray(share))
    mean, cov = law(EXPERTS[expert], np.asarray(data.rows.x)[own])
    expected = multivariate_normal(mean, cov).logpdf(np.asarray(data.rows.y)[own])
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_all_known_protocols_are_separate_fits(key):
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 16)
    first = 2 * x + 0.1 * rng.normal(size=16)
    # Target and features of both have one mean and one scale, that of each alone.
    second = first[::-1]
    left = 2 * np.polyfit(x, first, 1, full=True)[1].item()
    both = Dataset(np.tile(x, 2), np.r_[first, second], protocol=np.repeat([0, 1], 16))
    model = ProtocolMixture(BayesianLinear(), 2, num_starts=4)
    posterior = model.fit(both, key=key)
    for k, y in enumerate((first, second)):
        alone = BayesianLinear().fit(Dataset(x, y), key=key).predict(x)
        own = posterior.predict(x, protocol=k)
        np.testing.assert_allclose(own.mean, alone.mean, atol=0.01)
        # The noise is learned from both: E[σ²] of 32 rows and four weights.
        np.testing.assert_allclose(own.aleatoric, left / 26, rtol=0.15)
        assert np.all(own.between == 0)


def test_variance_is_that_of_draws(fitted):
    x = simulated(seed=1)[0][:8]
    pred = fitted.predict(x)
    draws = np.asarray(pred.sample(key=jax.random.key(1), num=40_000))
    total = pred.within + pred.between + pred.epistemic
    np.testing.assert_allclose(draws.var(0), total, rtol=0.05)
    alone = [fitted.predict(x, protocol=k) for k in (0, 1)]
    share = fitted.protocol_probabilities(x).T
    means = np.stack([own.mean for own in alone])
    np.testing.assert_allclose(pred.mean, (share * means).sum(0), rtol=0.02, atol=0.02)


def test_protocols_are_in_order_of_their_means_whatever_the_start(fitted):
    x, _, y = simulated()
    for seed in (1, 2):
        again = MODEL.fit(dataset(x, y), key=jax.random.key(seed))
        for k in (0, 1):
            np.testing.assert_allclose(
                again.predict(x, protocol=k).mean,
                fitted.predict(x, protocol=k).mean,
                atol=0.05,
            )
    means = [fitted.predict(x, protocol=k).mean.mean() for k in (0, 1)]
    assert means[0] < means[1]


def test_known_protocols_keep_their_numbers(key):
    x, u, y = simulated()
    labels = np.where(np.arange(60) < 6, 1 - u, -1)  # the higher protocol is called 0
    posterior = MODEL.fit(dataset(x, y, labels), key=key)
    found = np.asarray(posterior.responsibilities(x, y)).argmax(1)
    assert np.mean(found == 1 - u) > 0.95
    assert np.array_equal(
        np.asarray(posterior.share)[0, :, :6], np.eye(2)[labels[:6]].T
    )


def test_protocols_are_found_and_new_cells_identified(fitted):
    x, u, y = simulated(seed=2)
    found = np.asarray(fitted.responsibilities(x, y))
    assert np.mean(found.argmax(1) == u) > 0.95
    np.testing.assert_allclose(found.sum(1), 1)
    own = np.flatnonzero(u == 1)[:5]
    assert fitted.identify(x[own], y[own])[1] > 0.99
    # On neither curve: a protocol that training did not have.
    strange = fitted.identify(x[:3], [2.5, 2.4, 2.6], protocol_weights=[0.4, 0.4, 0.2])
    assert strange.shape == (3,)
    assert strange[2] > 0.9


def test_of_one_row_identification_is_the_responsibility(fitted):
    x, _, _ = simulated(seed=3)
    one = fitted.identify(x[:1], [2.4])
    np.testing.assert_allclose(one, fitted.responsibilities(x[:1], [2.4])[0], rtol=1e-6)


def test_stated_protocols_and_mixes(fitted):
    x = simulated(seed=1)[0][:6]
    mixed = fitted.predict(x, protocol_weights=[0.1, 0.9])
    means = [fitted.predict(x, protocol=k).mean for k in (0, 1)]
    np.testing.assert_allclose(mixed.mean, 0.1 * means[0] + 0.9 * means[1])
    by_row = fitted.predict(x, protocol=np.array([0, 1, -1, 0, 1, -1]))
    expected = [means[0][0], means[1][1], fitted.predict(x).mean[2]]
    np.testing.assert_allclose(by_row.mean[:3], expected)
    new = fitted.predict(x, protocol="new")
    assert np.all(new.between == 0)
    assert np.all(new.epistemic > 10 * fitted.predict(x).epistemic)
    same = fitted.predict(x, protocol_weights=[0.0, 0.0, 1.0])
    np.testing.assert_allclose(same.std, new.std)


def test_padded_rows_count_for_nothing_in_a_mixture(fitted):
    x, _, y = simulated()
    padded = MODEL.fit(dataset(x, y).padded(64), key=jax.random.key(0))
    np.testing.assert_allclose(padded.predict(x).mean, fitted.predict(x).mean)
    np.testing.assert_allclose(padded.log_evidence, fitted.log_evidence)


def test_conditioning_settles_the_shares_of_all_rows(fitted):
    x, u, y = simulated(seed=2)
    grown = fitted.condition(dataset(x[:4], y[:4]))
    found = np.asarray(grown.share[0])[:, 60:64]
    assert np.all(found.argmax(0) == u[:4])
    again = shares(grown.mode, grown.data, grown.share[0])
    np.testing.assert_allclose(again, grown.share[0], atol=1e-4)


def test_what_failed_is_told(key):
    x = np.linspace(0, 1, 40)
    y = x + 0.05 * np.random.default_rng(4).normal(size=40)
    report = (
        ProtocolMixture(BayesianLinear(), 2, num_starts=4)
        .fit(Dataset(x, y), key=key)
        .report
    )
    assert "are one" in report.message or "is empty" in report.message


def test_number_is_found(key):
    x, _, y = simulated()
    model = ProtocolMixture(BayesianLinear(), "auto", shared=True, num_starts=4)
    posterior = model.fit(dataset(x, y), key=key)
    assert posterior.num_protocols == 2
    assert posterior.number_probabilities.shape == (5,)
    assert posterior.number_probabilities[1] > 0.8
    assert posterior.number_probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"expert": GaussianProcess(noise=noise.LatentGP())},
            "LatentGP out: use noise",
        ),
        ({"expert": BayesianLinear(noise.StudentT())}, "cannot take Student-t"),
        ({"expert": BayesianLinear(random_effects=True)}, "no random effects"),
        ({"expert": BayesianLinear(inference=bp.inference.NUTS())}, "is the mixture's"),
        (
            {"expert": GaussianProcess(), "inference": bp.inference.NUTS()},
            "linear experts only",
        ),
    ],
)
def test_what_is_not_possible_is_refused(change, message, key):
    x, _, y = simulated()
    model = ProtocolMixture(**({"num_protocols": 2} | change))
    with pytest.raises(DataError, match=message):
        model.fit(dataset(x, y), key=key)


def test_drawn_protocols_agree_with_the_bound_where_all_is_clear(fitted, key):
    x, _, y = simulated()
    draws = bp.inference.NUTS(num_samples=200, num_warmup=200, num_chains=2)
    model = ProtocolMixture(
        BayesianLinear(),
        2,
        SoftmaxGate(["temperature_c"]),
        num_starts=4,
        inference=draws,
    )
    posterior = model.fit(dataset(x, y), key=key)
    assert posterior.report.r_hat < 1.1
    sampled, found = posterior.predict(x[:8]), fitted.predict(x[:8])
    np.testing.assert_allclose(sampled.mean, found.mean, atol=0.35)
    np.testing.assert_allclose(sampled.within, found.within, rtol=0.2)
    means = [posterior.predict(x, protocol=k).mean.mean() for k in (0, 1)]
    assert means[0] < means[1]
    grown = posterior.condition(dataset(x[:4], y[:4]))
    assert np.all(np.isfinite(grown.predict(x[:8]).std))
    assert grown.log_evidence == pytest.approx(
        float(fitted.condition(dataset(x[:4], y[:4])).log_evidence), rel=1e-6
    )


def test_protocols_that_are_not_there_are_refused(fitted, key):
    x, _, y = simulated()
    labels = np.where(np.arange(60) == 3, 5, -1)
    with pytest.raises(DataError, match="row 3 is on protocol 5, but there are 2"):
        MODEL.fit(dataset(x, y, labels), key=key)
    for protocol, message in (
        (2, "between 0 and 1"),
        ("old", "number or"),
        (0.5, "whole"),
    ):
        with pytest.raises(DataError, match=message):
            fitted.predict(x, protocol=protocol)
    with pytest.raises(DataError, match="2 numbers, or 3"):
        fitted.predict(x, protocol_weights=[1.0])
    for weights, message in (([0.5, 0.9], "sum to 1.4"), ([-0.5, 1.5], "negative")):
        with pytest.raises(DataError, match=message):
            fitted.predict(x, protocol_weights=weights)
    with pytest.raises(DataError, match="not both"):
        fitted.predict(x, protocol=0, protocol_weights=[1.0, 0.0])
    plain = BayesianLinear().fit(dataset(x, y), key=key)
    with pytest.raises(DataError, match="no protocols to choose from"):
        plain.predict(x, protocol=0)
