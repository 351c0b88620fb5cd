"""Bayesian linear models: regression and logistic regression."""
