"""Numerical methods shared by all parts: linear algebra, optimisation, smoothing of weights."""
