"""Gaussian processes for regression, with a choice of solvers, and for two classes."""
