"""Array types, and the axis names that all annotations use.

| name | axis |
|---|---|
| `n`, `m` | rows: cells, spectra or experiments (`n` training, `m` new) |
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
ArrayLike = jaxtyping.ArrayLike | Sequence[Any]  # lists too, in public functions
PRNGKey = Key[Array, ""]
