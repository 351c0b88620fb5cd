"""Elements equal impedance.py's to 12 digits and are finite at all frequencies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob.eis import Circuit
from battprob.eis.elements import STANDARD, Parameter, element

_REFERENCE = [
    ("R", 10, [3], 3.0, 0.0),
    ("C", 10, [0.02], 0.0, -0.795774715459477),
    ("L", 10, [1e-3], 0.0, 0.0628318530717959),
    ("W", 10, [5], 0.63078313050504, -0.63078313050504),
    ("Wo", 10, [5, 0.3], 0.818321782131897, -0.817315542648516),
    ("Ws", 10, [5, 0.3], 0.810372042805181, -0.811369733786385),
    ("Wo", 10000, [5, 300], 0.0008143375198382, -0.0008143375198382),
    ("Ws", 1e-5, [5, 0.3], 4.99999999976313, -3.14159265340907e-5),
    ("CPE", 10, [0.02, 0.8], 0.562870481621413, -1.73233721484813),
    ("La", 10, [1e-3, 0.7], 0.0654293600684047, 0.12841234943873),
    ("Ls", 10, [1e-3, 0.7], 0.00823706840675452, 0.016166156989661),
    ("G", 10, [5, 0.3], 0.835042864620549, -0.791916743693012),
    ("Gs", 10, [5, 0.3, 0.7], 0.841133870190971, -0.764883819511404),
    ("K", 10, [5, 0.3], 0.01403289136247, -0.264513770477756),
    ("Zarc", 10, [5, 0.3, 0.8], 0.180716035728656, -0.424936367264648),
    ("TLMQ", 10, [5, 0.02, 0.9], 1.65867454381478, -1.54434186213217),
    ("T", 10, [1, 2, 0.5, 0.1], 0.0938461516562444, -0.412109055964377),
    ("HN", 10, [5, 0.3, 0.8, 0.6], 0.914890538157424, -0.772502579841277),
    ("Wo_n", 10, [5, 0.3, 0.9], 1.02097727068241, -0.860404264639289),
    ("Ws_n", 10, [5, 0.3, 0.9], 1.00742149654528, -0.871987763373792),
]


@pytest.mark.parametrize(("name", "frequency", "values", "real", "imag"), _REFERENCE)
def test_values(name, frequency, values, real, imag):
    got = Circuit(f"{name}1").impedance(jnp.array(values, float), [frequency])[0]
    expected = complex(real, imag)
    assert abs(complex(got) - expected) <= 1e-12 * abs(expected)


def test_every_standard_element_has_a_reference():
    tested = {name.replace("_", "") for name, *_ in _REFERENCE}
    assert tested == set(STANDARD)


def test_values_and_gradients_are_finite_from_one_nanohertz_to_a_terahertz():
    frequency = jnp.logspace(-9, 12, 43)

    @jax.jit
    def everything():
        results = {}
        for name in STANDARD:
            circuit = Circuit(f"{name}1")
            typical = [p.typical for p in circuit.network.free_parameters.values()]
            results[name] = circuit.network.evaluate_with_gradient(
                jnp.array(typical), frequency
            )
        return results

    for name, (values, gradients) in everything().items():
        assert np.all(np.isfinite(values)), name
        assert np.all(np.isfinite(gradients)), name


def test_limits():
    """Wo at high frequency is W; HN with β = 1 is Zarc; Ws at low frequency is R."""
    fast = jnp.array([1e4])
    np.testing.assert_allclose(
        Circuit("Wo1").impedance([3.0, 9.0], fast),
        Circuit("W1").impedance([1.0 / np.sqrt(2)], fast),
        rtol=1e-12,
    )
    nearly = Circuit("HN1").impedance([1.0, 0.1, 0.8, 1 - 1e-15], fast)
    zarc = Circuit("Zarc1").impedance([1.0, 0.1, 0.8], fast)
    np.testing.assert_allclose(nearly, zarc, rtol=1e-12)
    assert complex(Circuit("Ws1").impedance([3.0, 9.0], [1e-9])[0]) == pytest.approx(3)


def test_own_element():
    @element(Parameter("Ohm", ohm=1.0), Parameter("s", second=1.0))
    def Debye(omega, resistance, tau):
        return resistance / jax.lax.complex(jnp.ones_like(omega), omega * tau)

    frequency = [0.1, 1.0, 10.0]
    ours = Circuit("R0-Debye1", elements=[Debye]).impedance([1.0, 2.0, 0.3], frequency)
    standard = Circuit("R0-K1").impedance([1.0, 2.0, 0.3], frequency)
    np.testing.assert_allclose(ours, standard, rtol=1e-13)


def test_own_element_errors():
    with pytest.raises(ValueError, match="takes 2 values after omega, but 1"):
        element(Parameter("Ohm", ohm=1.0))(lambda omega, a, b: omega)
    with pytest.raises(ValueError, match="letters only"):
        element(Parameter("Ohm", ohm=1.0))(lambda omega, a: omega)
    with pytest.raises(ValueError, match="must lie inside its bounds"):
        Parameter("", bounds=(0.0, 0.5))
