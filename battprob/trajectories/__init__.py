"""Capacity trajectories: forecasts of the capacity fade of a cell from a population."""

from battprob.trajectories.model import FadeTrajectory

__all__ = ["FadeTrajectory"]
