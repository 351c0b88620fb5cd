"""Target variables of cells: cycle life, capacity at a cycle, and degradation rates."""

from battprob.targets.capacity import capacity_at, cycle_life
from battprob.targets.rate import degradation_rate, fade_rate
from battprob.targets.target import Target

__all__ = ["Target", "capacity_at", "cycle_life", "degradation_rate", "fade_rate"]
