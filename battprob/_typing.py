"""Array annotations, and the axis names used in them throughout.

| name | axis |
|---|---|
| `n`, `m` | rows: cells, spectra or experiments (training, new) |
| `d` | columns: features |
| `s` | posterior draws, or quadrature nodes |
| `k` | mixture components: latent protocols, batches |
| `c`, `v`, `f` | cycles, voltages, frequencies |
| `*b` | any batch shape |
"""

from collections.abc import Sequence
from typing import Any

import jax
import jaxtyping
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, Key

__all__ = [
    "Array",
    "ArrayLike",
    "Bool",
    "Complex",
    "Float",
    "Int",
    "Key",
    "Numeric",
    "PRNGKey",
]

Numeric = jax.Array | np.ndarray
ArrayLike = jaxtyping.ArrayLike | Sequence[Any]  # plain lists too, at the public edge
PRNGKey = Key[Array, ""]
