"""Gaussian processes along one axis, smoothed in time proportional to the data."""

from battprob.state_space.process import MaternProcess

__all__ = ["MaternProcess"]
