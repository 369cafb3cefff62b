"""Hands for a cascade: functions that a tier may call, run within bounds, and the loop of calls."""
