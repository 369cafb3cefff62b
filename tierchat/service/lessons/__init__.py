"""Lessons in idle time: when one may run, and what stops it."""
