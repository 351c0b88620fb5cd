"""Acquisition values agree with BoTorch 0.18.1 for the same posterior, far tails included.

The reference values are the output of `python benchmarks/design_values.py --peer PYTHON`.
Where the hypervolumes of BoTorch underflow, there is no reference.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Predictive, design
from battprob._modules import replace
from battprob.design.hypervolume import boxes_of

MEAN = np.array(
    [[0.3, 0.1, 0.2], [1.2, -0.4, 0.9], [-2.0, 1.5, 0.4], [-99.0, -9.0, -5.0]]
)
VARIANCE = np.array(
    [[0.5, 0.2, 0.1], [0.01, 1.3, 0.4], [2.0, 0.3, 0.7], [1.0, 1.0, 1.0]]
)
FRONT = np.array([[0.0, 0.5, 0.8], [0.6, -0.2, 0.1], [0.2, 0.1, 0.9]])
BOTORCH = {
    "LogEI": [
        -2.8125921694324734,
        -1.6052015472058172,
        -4.753337961244421,
        -5010.129578800249,
    ],
    "LogPI": [
        -1.8257336940742865,
        -0.023012909328963493,
        -4.077639270111497,
        -5005.5242086942035,
    ],
    "UCB": [1.7142135623730952, 1.4, 0.8284271247461903, -97.0],
    "Constrained": [
        -3.017830339094815,
        -1.8472133490866498,
        -8.136364121190454,
        -5010.129578800249,
    ],
    "LogEHVI_2": [
        -1.2082605144105303,
        -0.19379444657759107,
        -1.40062073466079,
        -np.inf,
    ],
    "LogEHVI_3": [
        -0.9571143297987762,
        0.6532512360853319,
        -0.9368739310909636,
        -np.inf,
    ],
}


class Fixed:
    """A posterior of one target with given means and variances."""

    def __init__(self, target):
        self.target = target

    def predict(self, x):
        return Predictive.gaussian(MEAN[:, self.target], 0.0, VARIANCE[:, self.target])


def hypervolume(num):
    worst = jnp.full(num, -1.0)
    boxes = boxes_of(FRONT[None, :, :num], worst)
    return replace(design.LogEHVI(worst), boxes=boxes)


ACQUISITIONS = {
    "LogEI": design.LogEI(1.0),
    "LogPI": design.LogPI(1.0),
    "UCB": design.UCB(2.0),
    "Constrained": design.Constrained(design.LogEI(1.0), Fixed(1), upper=0.5),
    "LogEHVI_2": hypervolume(2),
    "LogEHVI_3": hypervolume(3),
}


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_values_agree_with_botorch(name):
    targets = [Fixed(target) for target in range(3)]
    several = {"LogEHVI_2": tuple(targets[:2]), "LogEHVI_3": tuple(targets)}
    posterior = several.get(name, targets[0])
    compiled = jax.jit(lambda x: ACQUISITIONS[name].values(posterior, x))
    values = np.asarray(compiled(np.zeros((4, 1))))
    assert np.all(np.isfinite(values))
    finite = np.isfinite(BOTORCH[name])
    assert finite.sum() >= 3
    reference = np.array(BOTORCH[name])[finite]
    np.testing.assert_allclose(values[finite], reference, rtol=1e-10)
