"""Exact graders: each compares one answer with what was asked, and none asks a model."""
