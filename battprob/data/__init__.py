"""Battery records as NumPy arrays: readers, repair of glitches, synthetic cells."""

from battprob.data.despike import Repair, despike
from battprob.data.records import Cell

__all__ = ["Cell", "Repair", "despike"]
