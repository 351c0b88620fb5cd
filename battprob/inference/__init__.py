"""Inference: posterior draws of the parameters of a log joint density, and a report.

`Laplace`, `NUTS` and `SVI` return draws; `MAP` returns the mode as one draw. To write
another method, see `battprob.inference.base.AbstractInference`.
"""

from battprob.inference.laplace import Laplace
from battprob.inference.map import MAP
from battprob.inference.nuts import NUTS
from battprob.inference.svi import SVI

__all__ = ["MAP", "NUTS", "SVI", "Laplace"]
