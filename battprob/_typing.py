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

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Complex, Float, Int, Key

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
PRNGKey = Key[Array, ""]
