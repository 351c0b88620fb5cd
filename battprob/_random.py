"""Random numbers outside compiled programs."""

import jax
import numpy as np

from battprob._typing import PRNGKey


def generator(key: PRNGKey) -> np.random.Generator:
    """NumPy generator seeded by a JAX key, for draws that are not worth compiling."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
