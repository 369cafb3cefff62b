"""Fetching models where the ones that are here cannot answer."""
