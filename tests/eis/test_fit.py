"""Fits need no guess, agree with SciPy's least squares, and report identifiability."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from battprob.eis import AgarwalOrazem, Circuit, KnownVariance, StudentT, laplace
from battprob.eis._joint_density import laplace_batch

FREQUENCY = np.logspace(4, -2, 40)
CIRCUIT = Circuit("R0-p(R1,CPE1)-W1")
TRUTH = np.array([0.02, 0.008, 0.4, 0.85, 2.5e-3])


def spectra(relative, count, seed=0):
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY))
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, z.size)) + 1j * rng.normal(size=(count, z.size))
    return z + relative * np.abs(z) * noise


@pytest.fixture(scope="module")
def posterior():
    return CIRCUIT.fit(FREQUENCY, spectra(0.005, 8), key=jax.random.key(0))


def test_parameters_are_recovered_from_exact_data():
    fitted = CIRCUIT.fit(FREQUENCY, spectra(1e-7, 8), key=jax.random.key(0))
    np.testing.assert_allclose(fitted.parameters.value[0], TRUTH, rtol=1e-5)
    assert fitted.report.converged


def test_coordinates_are_logarithms_with_their_covariance(posterior):
    coordinates, table = posterior.coordinates, posterior.parameters
    assert coordinates.names == table.names
    logarithms = np.array(
        [0, 1, 2, 4]
    )  # the exponent of the CPE is bounded on both sides
    mean = np.asarray(coordinates.mean)[:, logarithms]
    value, sd = (np.asarray(a)[:, logarithms] for a in (table.value, table.sd))
    np.testing.assert_allclose(np.exp(mean), value, rtol=0.01)
    variance = np.diagonal(np.asarray(coordinates.covariance), axis1=1, axis2=2)
    np.testing.assert_allclose(np.sqrt(variance)[:, logarithms], sd / value, rtol=0.1)
    correlation = np.asarray(table.correlation)
    root = np.sqrt(variance[:, :, None] * variance[:, None, :])
    np.testing.assert_allclose(coordinates.covariance / root, correlation, atol=1e-8)
    single = posterior[2].coordinates
    np.testing.assert_allclose(single.mean, coordinates.mean[2], rtol=1e-12)


def fitted_four_times(degrees_of_freedom):
    """A fit to a spectrum with every frequency four times, and the spectrum."""
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY[::-1]))
    noise = KnownVariance(FREQUENCY[::-1], (0.005 * np.abs(z)) ** 2, degrees_of_freedom)
    measured = spectra(0.005, 4, seed=2).ravel()
    frequency = np.tile(FREQUENCY, 4)
    key = jax.random.key(0)
    circuit = Circuit(str(CIRCUIT), noise=noise)
    return circuit.fit(frequency, measured, key=key), measured


def test_known_variance_is_scipys_weighted_least_squares():
    fitted, measured = fitted_four_times(1e6)
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY))

    def residuals(log_values):
        model = np.asarray(CIRCUIT.impedance(np.exp(log_values), FREQUENCY))
        residual = (measured.reshape(4, -1) - model) / (0.005 * np.abs(z))
        return np.concatenate([residual.real.ravel(), residual.imag.ravel()])

    reference = least_squares(residuals, np.log(TRUTH), x_scale=0.1)
    covariance = np.linalg.inv(reference.jac.T @ reference.jac)
    sd = np.exp(reference.x) * np.sqrt(np.diag(covariance))
    table = fitted.parameters
    # The prior changes the result by some thousandths of a standard deviation.
    assert np.all(np.abs(table.value - np.exp(reference.x)) < 0.03 * sd)
    np.testing.assert_allclose(table.sd, sd, rtol=0.03)


def test_gradient_equals_finite_differences():
    circuit = Circuit("R0-p(R1-Wo1,C1)-p(R2,CPE2)", constants={"CPE2_1": 0.9})
    values = jnp.array([1.0, 2.0, 3.0, 0.5, 0.01, 0.7, 0.3])
    omega = jnp.array([0.1, 3.0, 50.0])
    z, gradient = eqx.filter_jit(circuit.network.evaluate_with_gradient)(values, omega)
    evaluate = eqx.filter_jit(circuit.network.evaluate)
    np.testing.assert_allclose(z, evaluate(values, omega), rtol=1e-14)
    step = 1e-6 * np.eye(len(values))
    for i, row in enumerate(gradient):
        up = np.asarray(evaluate(values + step[i], omega))
        down = np.asarray(evaluate(values - step[i], omega))
        np.testing.assert_allclose(row, (up - down) / 2e-6, rtol=1e-6, atol=1e-8)


def test_a_batch_gives_the_results_of_single_spectra(posterior):
    single = CIRCUIT.fit(FREQUENCY, spectra(0.005, 8)[3], key=jax.random.key(5))
    assert single.parameters.value.shape == (5,)
    np.testing.assert_allclose(
        single.parameters.value, posterior.parameters.value[3], rtol=1e-4
    )
    np.testing.assert_allclose(
        single.interval(0.9)["R1"],
        [a[3] for a in posterior.interval(0.9)["R1"]],
        rtol=1e-3,
    )


def test_order_of_frequencies_and_unit_do_not_matter(posterior):
    measured = spectra(0.005, 8)[:, ::-1] * 1000
    fitted = CIRCUIT.fit(FREQUENCY[::-1], measured, key=jax.random.key(0))
    scale = jnp.array([1e3, 1e3, 1e-3, 1.0, 1e3])[None]
    np.testing.assert_allclose(
        fitted.parameters.value, posterior.parameters.value * scale, rtol=1e-4
    )


def test_intervals_draws_and_table_agree(posterior, key):
    draws = posterior.sample(key=key, num=4000)["CPE1_0"]
    low, high = posterior.interval(0.9)["CPE1_0"]
    inside = np.mean((draws > low[None]) & (draws < high[None]))
    assert inside == pytest.approx(0.9, abs=0.01)
    np.testing.assert_allclose(draws.std(0), posterior.parameters.sd[:, 2], rtol=0.1)
    time = posterior.derived(
        lambda p: (p["R1"] * p["CPE1_0"]) ** (1 / p["CPE1_1"]), key=key
    )
    truth = (TRUTH[1] * TRUTH[2]) ** (1 / TRUTH[3])
    assert np.all(np.abs(time.mean(0) - truth) < 5 * time.std(0))


def test_only_a_list_of_frequencies_is_predicted(posterior):
    with pytest.raises(ValueError, match=r"list of frequencies in Hz; got \(5, 2\)"):
        posterior.predict(np.ones((5, 2)))


def test_predictive_covers_a_repeat(posterior):
    predicted = posterior.predict(FREQUENCY)
    assert predicted.shape == (8, 40, 2)
    repeat = spectra(0.005, 8, seed=1)
    low, high = predicted.interval(0.9)
    values = np.stack([repeat.real, repeat.imag], axis=-1)
    assert np.mean((values > low) & (values < high)) == pytest.approx(0.9, abs=0.04)
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY))
    relative_sd = jnp.sqrt(predicted.aleatoric).mean((0, 2)) / np.abs(z)
    np.testing.assert_allclose(relative_sd, 0.005, rtol=0.25)


def test_more_data_shrinks_epistemic_and_leaves_aleatoric(posterior):
    more = fitted_four_times(0.0)[0].predict(FREQUENCY)
    few = posterior.predict(FREQUENCY)
    epistemic = np.asarray(more.epistemic)[None] / np.asarray(few.epistemic)
    aleatoric = np.asarray(more.aleatoric)[None] / np.asarray(few.aleatoric)
    assert np.median(epistemic) == pytest.approx(0.25, rel=0.4)
    assert np.median(aleatoric) == pytest.approx(1.0, rel=0.4)


def test_parameters_that_are_not_identified_are_reported():
    """Above the frequency of the blocking wall only R/√τ of diffusion is measured."""
    circuit = Circuit("R0-Wo1")
    z = np.asarray(circuit.impedance([1.0, 300.0, 1e5], FREQUENCY))
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(8, 40)) + 1j * rng.normal(size=(8, 40))
    fitted = circuit.fit(FREQUENCY, z * (1 + 0.01 * noise), key=jax.random.key(0))
    assert fitted.identified[:, 0].all()
    assert not fitted.identified[:, 2].any()
    assert "Wo1_1 not identified in 8" in fitted.report.message
    for (sentence,) in fitted.tied:
        assert re.search(r"change together: Wo1_0 ∝ Wo1_1\^0\.[45]\d?$", sentence)
    one = circuit.fit(FREQUENCY, z * (1 + 0.01 * noise[0]), key=jax.random.key(0))
    assert "Wo1_1  not identified" in str(one.parameters)


@pytest.mark.slow
def test_a_poor_guess_is_accepted_and_orders_exchangeable_blocks():
    circuit = Circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
    truth = np.array([0.02, 0.015, 8.0, 0.8, 0.008, 0.3, 0.85])
    z = np.asarray(circuit.impedance(truth, FREQUENCY))
    rng = np.random.default_rng(0)
    z = z * (1 + 0.002 * (rng.normal(size=40) + 1j * rng.normal(size=40)))
    guess = truth * np.array([5, 0.2, 5, 1, 0.2, 5, 1])
    fitted = circuit.fit(FREQUENCY, z, key=jax.random.key(0), guess=guess)
    np.testing.assert_allclose(fitted.parameters.value, truth, rtol=0.2)
    swapped = circuit.fit(FREQUENCY, z, key=jax.random.key(0)).parameters
    np.testing.assert_allclose(
        swapped.value,
        fitted.parameters.value[np.array([0, 4, 5, 6, 1, 2, 3])],
        rtol=1e-3,
    )


def test_misfit_is_reported():
    z = np.asarray(
        Circuit("R0-p(R1,CPE1)-p(R2,CPE2)").impedance(
            [0.02, 0.015, 8.0, 0.8, 0.008, 0.3, 0.85], FREQUENCY
        )
    )
    fitted = CIRCUIT.fit(FREQUENCY, z, key=jax.random.key(0))
    assert bool(fitted.misfitting)
    assert "misfit" in fitted.report.message


@pytest.mark.parametrize(
    ("frequency", "impedance", "message"),
    [
        (FREQUENCY, np.ones(3), "40 frequencies, but 3 impedances"),
        (-FREQUENCY, np.ones(40), r"frequency_hz\[0\].*must be\s+positive"),
        (FREQUENCY, np.full((2, 40), np.nan), r"impedance_ohm\[0, 0\] is not finite"),
        (FREQUENCY[None], np.ones(40), "got shapes"),
    ],
)
def test_invalid_spectra_are_refused(frequency, impedance, message):
    with pytest.raises(ValueError, match=message):
        CIRCUIT.fit(frequency, impedance, key=jax.random.key(0))


def _programs():
    """Number of compiled programs of circuit fits."""
    return (
        laplace._fit_padded._cached._cache_size(),
        laplace_batch._cached._cache_size(),
    )


@pytest.mark.parametrize(
    "circuit",
    [
        lambda x: CIRCUIT,
        lambda x: Circuit(
            "R0-p(R1,CPE1)-W1",
            constants={"CPE1_1": 0.8 + x},
            noise=AgarwalOrazem(0.02 + x, 1.0 + x),
        ),
        lambda x: Circuit(
            "R0-p(R1,CPE1)-W1",
            noise=KnownVariance([1e-3, 1e5], [1.0 + x, 2.0 + x], 50.0 + x),
            likelihood=StudentT(4.0 + x),
        ),
    ],
    ids=["data", "constants, variance", "known variance, degrees of freedom"],
)
def test_no_retrace_when_only_numbers_change(circuit):
    circuit(0.0).fit(FREQUENCY, spectra(0.01, 7), key=jax.random.key(1))
    compiled = _programs()
    circuit(0.01).fit(FREQUENCY, spectra(0.02, 7), key=jax.random.key(2))
    assert _programs() == compiled


def test_no_retrace_when_a_batch_grows_inside_its_bucket():
    CIRCUIT.fit(FREQUENCY, spectra(0.01, 7), key=jax.random.key(1))
    compiled = _programs()
    CIRCUIT.fit(FREQUENCY, spectra(0.01, 6), key=jax.random.key(1))
    assert _programs() == compiled
