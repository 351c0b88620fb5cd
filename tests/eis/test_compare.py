"""Evidence and leave-one-out scores prefer the true circuit."""

import jax
import numpy as np
import pytest
from scipy import stats

import battprob as bp
from battprob._numerics.psis import fit_generalised_pareto, smoothed_log_weights

pytestmark = pytest.mark.slow

_FREQUENCY = np.logspace(4, -2, 40)


def _measured(text, truth):
    z = np.asarray(bp.eis.Circuit(text).impedance(truth, _FREQUENCY))
    rng = np.random.default_rng(3)
    return z * (1 + 0.005 * (rng.normal(size=40) + 1j * rng.normal(size=40)))


@pytest.mark.parametrize(
    ("text", "truth", "best"),
    [
        ("R0-p(R1,CPE1)", [0.02, 0.008, 0.4, 0.85], 0),
        ("R0-p(R1,CPE1)-W1", [0.02, 0.008, 0.4, 0.85, 2.5e-3], 1),
    ],
)
def test_the_true_circuit_wins(text, truth, best):
    found = bp.eis.compare(
        ["R0-p(R1,CPE1)", "R0-p(R1,CPE1)-W1"],
        _FREQUENCY,
        _measured(text, truth),
        key=jax.random.key(0),
    )
    assert int(found.probability.argmax()) == best
    assert found.probability[best] > 0.9
    assert float(found.probability.sum()) == pytest.approx(1)
    assert int(found.loo.argmax()) == best or abs(np.diff(found.loo)[0]) < 2
    assert found.loo_k[best] < 0.7
    assert str(found.best.network) == text
    assert text in str(found)


def test_leave_one_out_equals_refitting_without_the_frequency():
    """Twenty refits, each scored at the frequency left out."""
    circuit = bp.eis.Circuit("R0-p(R1,C1)")
    frequency = np.logspace(3, -1, 20)
    z = np.asarray(circuit.impedance([1.0, 2.0, 0.05], frequency))
    rng = np.random.default_rng(0)
    z = z + 0.02 * (rng.normal(size=20) + 1j * rng.normal(size=20))
    fitted = circuit.fit(frequency, z, key=jax.random.key(0))
    quick, k = bp.eis.leave_one_out(fitted, frequency, z, key=jax.random.key(1))
    exact = 0.0
    for i in range(20):
        kept = np.arange(20) != i
        without = circuit.fit(frequency[kept], z[kept], key=jax.random.key(0))
        predicted = without.predict(frequency[i : i + 1])
        value = np.array([[z[i].real, z[i].imag]])
        exact += float(predicted.log_prob(value).sum())
    # `log_prob` treats Re and Im as independent given the others, which is nearly true.
    assert float(quick) == pytest.approx(exact, abs=0.6)
    assert float(k) < 0.7


@pytest.mark.parametrize("shape", [0.2, 0.7])
def test_pareto_shape_is_recovered(shape):
    draws = np.sort(stats.genpareto(shape, scale=2.0).rvs(5000, random_state=0))
    scale, k = fit_generalised_pareto(jax.numpy.asarray(draws))
    assert float(k) == pytest.approx(shape, abs=0.06)
    assert float(scale) == pytest.approx(2.0, rel=0.08)


def test_smoothing_keeps_light_tails_and_normalises():
    ratio = jax.random.normal(jax.random.key(0), (2000,)) * 0.1
    weight, k = smoothed_log_weights(ratio)
    assert float(np.exp(weight).sum()) == pytest.approx(1)
    np.testing.assert_allclose(weight, jax.nn.log_softmax(ratio), atol=0.1)
    assert k < 0.5


def test_no_candidates():
    with pytest.raises(ValueError, match="needs at least one circuit"):
        bp.eis.compare([], _FREQUENCY, np.ones(40), key=jax.random.key(0))
