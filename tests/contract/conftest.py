"""Precision as it is when nobody asked for more."""

import jax
import pytest


@pytest.fixture
def single_precision():
    with jax.enable_x64(False):
        yield
