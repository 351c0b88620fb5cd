"""The 90 % interval of every parameter covers the truth in 87 to 93 of 100 spectra.

The default noise model is used with proportional and with additive noise.
"""

import jax
import numpy as np
import pytest

from battprob.eis import NUTS, Circuit

_CIRCUIT = Circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1")
_FREQUENCY = np.logspace(4, -2, 60)
_TRUTH = np.array(
    [0.02, 0.008, 1e-3**0.85 / 0.008, 0.85, 0.015, 0.1**0.8 / 0.015, 0.8, 2.5e-3]
)


def _spectra(kind, count, seed=4):
    z = np.asarray(_CIRCUIT.impedance(_TRUTH, _FREQUENCY))
    size = np.abs(z) if kind == "proportional" else np.full(60, np.abs(z).mean())
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, 2, 60))
    return z + 0.005 * size * (noise[:, 0] + 1j * noise[:, 1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["proportional", "additive"])
def test_every_parameter_is_covered(kind):
    fitted = _CIRCUIT.fit(_FREQUENCY, _spectra(kind, 2000), key=jax.random.key(0))
    assert fitted.report.converged
    for (low, high), truth in zip(fitted.interval(0.9).values(), _TRUTH, strict=True):
        # Two standard errors of 2000 draws are 0.013.
        assert 0.87 <= np.mean((low <= truth) & (truth <= high)) <= 0.93


@pytest.mark.slow
def test_nuts_agrees_with_laplace():
    measured = _spectra("proportional", 4)
    key = jax.random.key(0)
    sampled = Circuit(str(_CIRCUIT), inference=NUTS())
    exact = sampled.fit(_FREQUENCY, measured, key=key).parameters
    quick = _CIRCUIT.fit(_FREQUENCY, measured, key=key).parameters
    assert np.all(np.abs(exact.value - quick.value) < 0.25 * quick.sd)
    np.testing.assert_allclose(exact.sd, quick.sd, rtol=0.25)
