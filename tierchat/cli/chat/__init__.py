"""The chat that stays open."""
