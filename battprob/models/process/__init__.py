"""Gaussian processes for regression and for two classes."""
