"""Acquisitions, kernels and noise models of users work in campaigns and their files."""

import subprocess
import sys
import textwrap

import pytest

OWN = '''
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import battprob as bp
from battprob.design import condition_on, function_marginals, mean_fantasies
from battprob.design.acquisition import AbstractAcquisition, replace
from battprob.kernels.base import AbstractKernel
from battprob.noise.base import AbstractNoise


@bp.register
class Straddle(AbstractAcquisition):
    """Tests near the contour where the function equals a threshold (Bryan et al. 2005)."""

    threshold: jax.Array = eqx.field(converter=jnp.asarray)
    width: jax.Array = eqx.field(converter=jnp.asarray, default=1.96)
    fantasies: Any = None

    def prepare(self, posterior, reference, *, key, pending=None):
        return replace(self, fantasies=mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        conditioned = condition_on(posterior, self.fantasies)
        mean, variance = function_marginals(conditioned, x).moments()
        return self.width * jnp.sqrt(variance) - jnp.abs(mean - self.threshold)


@bp.register
def duration(x):
    return 1 + x[:, 0] ** 2


@bp.register
class Gaussian(AbstractKernel):
    log_lengthscale: jax.Array = eqx.field(converter=jnp.asarray, default=0.0)

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return -0.5 * self.log_lengthscale**2

    def gram(self, x1, x2):
        square = jnp.sum((x1[:, None] - x2[None]) ** 2, axis=2)
        return jnp.exp(-0.5 * square / jnp.exp(2 * self.log_lengthscale))

    def diagonal(self, x):
        return jnp.ones_like(x[:, 0])


@bp.register
class Small(AbstractNoise):
    log_variance: jax.Array = eqx.field(converter=jnp.asarray, default=-4.0)

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return -0.5 * (self.log_variance + 4) ** 2

    def variance(self, x, known):
        return jnp.exp(self.log_variance) * jnp.ones_like(x[:, 0])

    def uses_known(self):
        return False
'''
USE = """
import jax, numpy as np
import battprob as bp
from battprob import design
import own
bp.enable_x64()
space = design.Space(design.Real("rate", 1.0, 8.0))
gp = bp.models.GaussianProcess
for name, parts in {
    "acquisition": {"acquisition": own.Straddle(900.0)},
    "function": {"acquisition": design.PerCost(design.LogEI(), own.duration)},
    "kernel": {"model": gp(own.Gaussian())},
    "noise": {"model": gp(noise=own.Small())},
}.items():
    campaign = design.Campaign.start(space, key=jax.random.key(0), initial=4, **parts)
    tests = campaign.ask(4)
    y = [1000 - 30 * (point["rate"] - 4) ** 2 for point in tests.points]
    campaign = campaign.tell(tests, y)
    campaign = campaign.running(campaign.ask())
    campaign.save(name + ".json")
    print(design.Campaign.load(name + ".json").ask().points == campaign.ask().points)
"""
SET_UP = "import battprob as bp; bp.enable_x64()\n"
LOAD = "bp.design.Campaign.load('{}.json')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(textwrap.dedent(OWN))
    return folder


def run(folder, code):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


MISSING = {
    "acquisition": "Straddle",
    "function": "duration",
    "kernel": "Gaussian",
    "noise": "Small",
}


@pytest.mark.slow  # CONTRIBUTING's programs make most of this claim by default
def test_campaigns_with_own_parts_are_saved_and_loaded(folder):
    """Assert that a new process without the class is told what to import."""
    used = run(folder, USE)
    assert used.stdout == 4 * "True\n", used.stderr
    loads = "\n".join(
        f"""
try:
    {LOAD.format(name)}
except bp.DataError as error:
    print(error)
"""
        for name in MISSING
    )
    messages = run(folder, SET_UP + loads).stdout.splitlines()
    for message, missing in zip(messages, MISSING.values(), strict=True):
        assert message.startswith(f"the file holds '{missing}'")
        assert "import the module that defines it (it was saved from 'own')" in message
    imported = run(folder, SET_UP + "import own" + loads)
    assert (imported.stdout, imported.stderr) == ("", "")
