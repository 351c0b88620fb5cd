"""Capacity trajectories: forecasts of the fade of cells from the lives of others."""

from battprob.trajectories.forecast import Forecast
from battprob.trajectories.model import FadeTrajectory, FadeTrajectoryPosterior

__all__ = ["FadeTrajectory", "FadeTrajectoryPosterior", "Forecast"]
