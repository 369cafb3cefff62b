"""Prompts of our own with exact graders, shaped like what people ask a terminal."""
