"""Mixtures of regression models, one for each protocol that was not recorded."""
