"""Processes along one axis, smoothed in time proportional to their length."""

from battprob.state_space.process import Drive, MaternProcess, Smoothed

__all__ = ["Drive", "MaternProcess", "Smoothed"]
