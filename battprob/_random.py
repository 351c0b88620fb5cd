"""Draws outside of compiled programs."""

import jax
import numpy as np

from battprob._typing import PRNGKey


def generator(key: PRNGKey) -> np.random.Generator:
    """NumPy's generator seeded by a JAX key: a few draws, and nothing to compile."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
