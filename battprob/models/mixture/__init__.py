"""Mixtures over protocols that were not recorded."""
