"""What is no kernel, noise head or inference is refused where it is given, not in a fit."""

import dataclasses
import subprocess
import sys

import equinox as eqx
import pytest

from battprob._modules import replace
from battprob.evaluate import Stack
from battprob.kernels import RBF, Arrhenius, Matern52
from battprob.models import (
    BayesianLinear,
    BayesianLogistic,
    GaussianProcess,
    GaussianProcessClassifier,
    ProtocolMixture,
)
from battprob.noise import Constant, Known, StudentT
from tests.contract import zoo

MADE = {
    **zoo.MODELS,
    "classifier": GaussianProcessClassifier(),
    "logistic": BayesianLogistic(),
    "kernels": RBF() + Matern52(),
    "product": RBF() * Matern52(),
    "arrhenius": Arrhenius(RBF(features=[0, 1]), 1),
    "heads": Known() + Constant(),
    "student": StudentT(),
}
PARTS = ("kernel", "noise", "prior", "inference", "expert", "gate", "first", "head")
GIVEN = [
    (name, field.name)
    for name, made in MADE.items()
    for field in dataclasses.fields(made)
    if field.name in PARTS
]


def _check(made):
    """What the interface has every maker check, whatever a class checks besides."""
    checks = [vars(kind).get("__check_init__") for kind in type(made).__mro__]
    [*_, check] = filter(None, checks)
    check(made)


# Instances are changed after they were made: the type checker of these tests would be
# there before the check.
@pytest.mark.parametrize(("name", "part"), GIVEN)
def test_a_number_is_no_part(name, part):
    made = MADE[name]
    _check(made)
    expected = f"{part} of {type(made).__name__} must be an instance of .*; got 3"
    with pytest.raises(TypeError, match=expected):
        _check(replace(made, **{part: 3}))


def test_a_class_is_not_yet_a_part():
    wrong = replace(GaussianProcess(), kernel=Matern52)
    with pytest.raises(TypeError, match=r"got the class itself: write Matern52\(\)"):
        _check(wrong)


def test_what_may_be_given_is_said():
    wrong = replace(BayesianLinear(), inference="nuts")
    with pytest.raises(TypeError, match="AbstractInference or None; got 'nuts'"):
        _check(wrong)
    wrong = replace(ProtocolMixture(BayesianLinear()), expert=RBF())
    with pytest.raises(TypeError, match="BayesianLinear or GaussianProcess; got RBF"):
        _check(wrong)


def test_arrays_and_containers_are_left_alone():
    """Assert that tracers may stand for numbers, and models in a dictionary."""
    eqx.filter_eval_shape(lambda x: RBF(x, 1.0) * Matern52(x), 1.0)
    _check(Stack({"line": BayesianLinear()}, splits=None))


def test_users_meet_it_where_they_make_a_mistake():
    """In a process without the type checker of these tests."""
    code = """
from battprob import kernels, models
from battprob.design import default_model
for mistake in (
    lambda: default_model(noise=3),
    lambda: default_model(noise=3, known_noise=True),
    lambda: models.IterativeGaussianProcess(noise=3),
    lambda: kernels.RBF() * 2.0,
):
    try:
        mistake()
    except TypeError as error:
        print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.splitlines() == [
        "noise of GaussianProcess must be an instance of AbstractNoise; got 3",
        "second of Sum must be an instance of AbstractNoise; got 3",
        "noise of IterativeGaussianProcess must be an instance of AbstractNoise; got 3",
        "second of Product must be an instance of AbstractKernel; got 2.0",
    ]
