"""Policies replayed on an outcome matrix, and what is measured of them."""
