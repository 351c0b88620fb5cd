"""Posteriors of spectra are loaded bit for bit, in a new process too."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
from dataclasses import asdict

import equinox as eqx
import jax
import numpy as np
import pytest

import battprob as bp
from battprob import DataError
from battprob.eis import DRT, NUTS, Circuit, StudentT, smooth

ROOT = pathlib.Path(__file__).parents[2]
FREQUENCY = np.logspace(3, -1, 12)
TAU = np.logspace(-3, 0, 5)

# The module of a user: the new process imports it before it loads the file.
OWN = """
import battprob, jax, jax.numpy as jnp
from battprob.eis import Parameter, element

@element(Parameter("Ohm", ohm=1.0), Parameter("s", second=1.0))
@battprob.register
def Debye(omega, resistance, tau):
    return resistance / jax.lax.complex(jnp.ones_like(omega), omega * tau)
"""
IN_A_NEW_PROCESS = """
import sys, pathlib, json, jax
folder = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(folder), sys.argv[2]]
jax.config.update("jax_enable_x64", True)
import own_elements, battprob
from tests.eis.test_saving import results
files = sorted(folder.glob("*.battprob"))
print(json.dumps({file.stem: results(battprob.load(file)) for file in files}))
"""


def results(posterior):
    """Every number that the posterior computes, as texts of their exact bytes."""
    key = jax.random.key(5)
    if hasattr(posterior, "peaks"):
        parts = [posterior.predict(TAU), posterior.r_inf_ohm, posterior.inductance_h]
        parts += [posterior.impedance(FREQUENCY), posterior.coordinates(TAU)]
    else:
        parts = [posterior.parameters, posterior.predict(FREQUENCY)]
        parts += [posterior.coordinates, posterior.log_evidence, posterior.tied]
        parts = [vars(p) if hasattr(p, "correlation") else p for p in parts]
        parts += [posterior.sample(key=key, num=3), posterior.verdict]
    leaves = jax.tree.leaves(parts)
    return [
        np.asarray(leaf).tobytes().hex() if eqx.is_array_like(leaf) else str(leaf)
        for leaf in leaves
    ]


def _spectra(count):
    z = Circuit("R0-p(R1,C1)").impedance([1.0, 2.0, 0.05], FREQUENCY)
    noise = np.random.default_rng(0).normal(size=(2, count, FREQUENCY.size))
    return np.asarray(z) + 0.02 * (noise[0] + 1j * noise[1])


def _fit(spectra, text="R0-p(R1,C1)", **fields):
    circuit = Circuit(text, **fields)
    return circuit.fit(FREQUENCY, spectra, key=jax.random.key(0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Posteriors by name, and the folder with a file of each."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "own_elements.py").write_text(OWN)
    sys.path.insert(0, str(folder))
    own = importlib.import_module("own_elements")
    sys.path.remove(str(folder))
    batch = _fit(_spectra(3))
    drt = DRT().fit(FREQUENCY, _spectra(2), key=jax.random.key(0))
    posteriors = {
        "batch": batch,
        "row of a batch": batch[1],
        "sequence": smooth(batch, [0.0, 1.0, 3.0]),
        "own element, outliers, samples": _fit(
            _spectra(1)[0],
            "R0-Debye1",
            elements=[own.Debye],
            constants={"R0": 1.0},
            likelihood=StudentT(3.0),
            inference=NUTS(num_samples=16, num_warmup=10),
        ),
        "drt": drt,
        "row of a drt": drt[1],
    }
    for name, posterior in posteriors.items():
        posterior.save(folder / f"{name}.battprob")
    return posteriors, folder


def test_every_kind_comes_back(saved):
    posteriors, folder = saved
    for name, posterior in posteriors.items():
        loaded = bp.load(folder / f"{name}.battprob")
        # As NumPy arrays, because JAX compiles a comparison for every shape.
        assert eqx.tree_equal(*jax.device_get((loaded, posterior))), name
        kinds = [[type(a) for a in jax.tree.leaves(p)] for p in (loaded, posterior)]
        assert kinds[0] == kinds[1], name
        assert asdict(loaded.report) == asdict(posterior.report), name
        assert results(loaded) == results(posterior), name


def test_a_new_process_computes_the_same_bits(saved):
    posteriors, folder = saved
    found = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, str(folder), str(ROOT)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    loaded = json.loads(found.stdout.splitlines()[-1])
    assert set(loaded) == set(posteriors)
    for name, posterior in posteriors.items():
        assert loaded[name] == results(posterior), name


def test_a_loaded_posterior_can_be_smoothed(saved):
    posteriors, folder = saved
    loaded = smooth(bp.load(folder / "batch.battprob"), [0.0, 1.0, 3.0])
    assert results(loaded) == results(posteriors["sequence"])


def test_the_number_of_samples_is_that_of_all_chains_together(saved):
    posterior = saved[0]["own element, outliers, samples"]
    assert posterior.mixture.location.shape == (1, 16, 2)
    assert posterior.report.steps == 16


def test_the_file_shows_the_circuit_and_holds_no_pickle(saved):
    _, folder = saved
    with np.load(
        folder / "own element, outliers, samples.battprob", allow_pickle=False
    ) as file:
        spec = str(file["spec"])
        assert all(file[name].dtype != object for name in file.files)
    assert '"R0-Debye1"' in spec
    assert '"function": "Debye"' in spec


def test_an_element_that_is_not_registered_is_refused(saved, tmp_path):
    @bp.eis.element(bp.eis.Parameter("Ohm", ohm=1.0))
    def Unregistered(omega, resistance):
        return resistance + 0j * omega

    network = Circuit("R0-p(Unregistered1,C1)", elements=[Unregistered]).network
    posterior = eqx.tree_at(lambda p: p.network, saved[0]["batch"], network)
    with pytest.raises(DataError, match=r"Unregistered: decorate it with @battprob"):
        posterior.save(tmp_path / "file")
