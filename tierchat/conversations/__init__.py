"""Saved exchanges: one writer, many readers."""
