"""Fits of `ProtocolMixture`: separate fits, order of protocols, number, sampler, report."""

import equinox as eqx
import jax
import numpy as np
import pytest

import battprob as bp
from battprob import Dataset
from battprob.models import BayesianLinear, ProtocolMixture, SoftmaxGate
from battprob.models.mixture._bound import e_step
from tests.models.mixture.problems import MODEL, dataset, fitted, simulated


def test_labelled_protocols_agree_with_separate_fits(key):
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 30)
    first = 2 * x + 0.1 * rng.normal(size=30)
    # Both protocols together have the same mean and scale as each of them.
    second = first[::-1]
    residual = 2 * np.polyfit(x, first, 1, full=True)[1].item()
    both = Dataset(np.tile(x, 2), np.r_[first, second], protocol=np.repeat([0, 1], 30))
    model = ProtocolMixture(BayesianLinear(), 2, num_starts=4)
    posterior = model.fit(both, key=key)
    for k, y in enumerate((first, second)):
        separate = BayesianLinear().fit(Dataset(x, y), key=key).predict(x)
        pred = posterior.predict(x, protocol=k)
        np.testing.assert_allclose(pred.mean, separate.mean, atol=0.01)
        # The noise is inferred from both protocols: E[σ²] of 60 rows and four weights.
        np.testing.assert_allclose(pred.aleatoric, residual / 54, rtol=0.15)
        assert np.all(pred.between == 0)


def test_order_of_protocols_does_not_depend_on_the_key():
    x, _, y = simulated()
    for seed in (1, 2):
        again = MODEL.fit(dataset(x, y), key=jax.random.key(seed))
        for k in (0, 1):
            np.testing.assert_allclose(
                again.predict(x, protocol=k).mean,
                fitted().predict(x, protocol=k).mean,
                atol=0.05,
            )
    means = [fitted().predict(x, protocol=k).mean.mean() for k in (0, 1)]
    assert means[0] < means[1]


def test_labelled_protocols_keep_their_numbers(key):
    x, u, y = simulated()
    labels = np.where(np.arange(60) < 6, 1 - u, -1)  # the higher protocol is number 0
    posterior = MODEL.fit(dataset(x, y, labels), key=key)
    assigned = np.asarray(posterior.responsibilities(x, y)).argmax(1)
    assert np.mean(assigned == 1 - u) > 0.95
    np.testing.assert_array_equal(
        posterior.training_responsibilities[0, :, :6], np.eye(2)[labels[:6]].T
    )


def test_padding_does_not_change_the_fit():
    x, _, y = simulated()
    padded = MODEL.fit(dataset(x, y).padded(64), key=jax.random.key(0))
    np.testing.assert_allclose(padded.predict(x).mean, fitted().predict(x).mean)
    np.testing.assert_allclose(padded.log_evidence, fitted().log_evidence)


def test_conditioning_updates_the_responsibilities_of_all_rows():
    x, u, y = simulated(seed=2)
    conditioned = fitted().condition(dataset(x[:4], y[:4]))
    responsibilities = conditioned.training_responsibilities[0]
    assert np.all(np.asarray(responsibilities)[:, 60:64].argmax(0) == u[:4])
    # Another E step changes nothing.
    again = eqx.filter_jit(e_step)(conditioned.mode, conditioned.data, responsibilities)
    np.testing.assert_allclose(again, responsibilities, atol=1e-4)


def test_report_names_protocols_that_coincide_or_are_empty(key):
    x = np.linspace(0, 1, 40)
    y = x + 0.05 * np.random.default_rng(4).normal(size=40)
    model = ProtocolMixture(BayesianLinear(), 2, num_starts=4)
    message = model.fit(Dataset(x, y), key=key).report.message
    assert "0 and 1 coincide" in message or "is empty" in message


def test_number_of_protocols_is_selected_by_the_evidence(key):
    x, _, y = simulated()
    model = ProtocolMixture(BayesianLinear(), "auto", shared=True, num_starts=4)
    posterior = model.fit(dataset(x, y), key=key)
    assert posterior.num_protocols == 2
    assert posterior.number_probabilities.shape == (5,)
    assert posterior.number_probabilities[1] > 0.8
    assert posterior.number_probabilities.sum() == pytest.approx(1)


def test_sampler_agrees_with_em_for_separate_protocols(key, tmp_path):
    x, _, y = simulated()
    sampler = bp.inference.NUTS(num_samples=200, num_warmup=200, num_chains=2)
    model = ProtocolMixture(
        BayesianLinear(),
        2,
        SoftmaxGate(["temperature_c"]),
        num_starts=4,
        inference=sampler,
    )
    posterior = model.fit(dataset(x, y), key=key)
    assert posterior.report.r_hat < 1.1
    sampled, by_em = posterior.predict(x[:8]), fitted().predict(x[:8])
    np.testing.assert_allclose(sampled.mean, by_em.mean, atol=0.35)
    np.testing.assert_allclose(sampled.within, by_em.within, rtol=0.2)
    means = [posterior.predict(x, protocol=k).mean.mean() for k in (0, 1)]
    assert means[0] < means[1]
    new = dataset(x[:4], y[:4])
    conditioned = posterior.condition(new)
    assert np.all(np.isfinite(conditioned.predict(x[:8]).std))
    assert conditioned.log_evidence == pytest.approx(
        float(fitted().condition(new).log_evidence), rel=1e-6
    )
    # The sampled posterior is saved and loaded without loss.
    posterior.save(tmp_path / "posterior")
    loaded = bp.load(tmp_path / "posterior")
    assert jax.tree.structure(loaded) == jax.tree.structure(posterior)
    np.testing.assert_array_equal(
        loaded.condition(new).predict(x).std, conditioned.predict(x).std
    )
