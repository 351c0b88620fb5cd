"""A part of the wrong kind is refused when a specification is made, not in a fit."""

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
from tests.contract.models import zoo

SPECIFICATIONS = {
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
FIELDS = [
    (name, field.name)
    for name, specification in SPECIFICATIONS.items()
    for field in dataclasses.fields(specification)
    if field.name in PARTS
]


def _check(specification):
    """The check of the interface, which every construction runs besides those of a class."""
    checks = [vars(kind).get("__check_init__") for kind in type(specification).__mro__]
    [*_, check] = filter(None, checks)
    check(specification)


# Instances are changed after construction, because the run-time type checker of these
# tests would raise first.
@pytest.mark.parametrize(("name", "part"), FIELDS)
def test_a_number_in_place_of_a_part_is_refused(name, part):
    specification = SPECIFICATIONS[name]
    _check(specification)
    kind = type(specification).__name__
    expected = f"{part} of {kind} must be an instance of .*; got 3"
    with pytest.raises(TypeError, match=expected):
        _check(replace(specification, **{part: 3}))


def test_a_class_in_place_of_an_instance_is_refused():
    wrong = replace(GaussianProcess(), kernel=Matern52)
    with pytest.raises(TypeError, match=r"got the class itself: write Matern52\(\)"):
        _check(wrong)


def test_the_message_names_the_kinds_that_are_possible():
    wrong = replace(BayesianLinear(), inference="nuts")
    with pytest.raises(TypeError, match="AbstractInference or None; got 'nuts'"):
        _check(wrong)
    wrong = replace(ProtocolMixture(BayesianLinear()), expert=RBF())
    with pytest.raises(TypeError, match="BayesianLinear or GaussianProcess; got RBF"):
        _check(wrong)


def test_arrays_and_containers_are_not_checked():
    """Assert that tracers can take the place of numbers, and dictionaries hold models."""
    eqx.filter_eval_shape(lambda x: RBF(x, 1.0) * Matern52(x), 1.0)
    _check(Stack({"line": BayesianLinear()}, splits=None))


def test_the_error_is_raised_by_the_constructor():
    """Assert so in a process without the run-time type checker of these tests."""
    code = """
from battprob import kernels, models
from battprob.design import default_model
for mistake in (
    lambda: default_model(noise=3),
    lambda: default_model(noise=3, known_noise=True),
    lambda: models.GaussianProcess(solver=3),
    lambda: kernels.RBF() * 2.0,
):
    try:
        mistake()
    except TypeError as error:
        print(error)
"""
    output = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout.splitlines() == [
        "noise of GaussianProcess must be an instance of AbstractNoise; got 3",
        "second of Sum must be an instance of AbstractNoise; got 3",
        "solver of GaussianProcess must be an instance of AbstractSolver or None; got 3",
        "second of Product must be an instance of AbstractKernel; got 2.0",
    ]
