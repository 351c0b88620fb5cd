"""Inference: one scalar log joint density in, draws and a report out."""

from battprob.inference.laplace import Laplace
from battprob.inference.map import MAP
from battprob.inference.nuts import NUTS
from battprob.inference.svi import SVI

__all__ = ["MAP", "NUTS", "SVI", "Laplace"]
