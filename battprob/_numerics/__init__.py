"""Numerical methods shared by all parts: linear algebra, optimisation, normal tails, importance weights."""
