"""Signals in, a verdict out; learned gates on disk."""
