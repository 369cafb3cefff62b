"""Anthropic's messages: a translation to and from the same prompts and events."""
