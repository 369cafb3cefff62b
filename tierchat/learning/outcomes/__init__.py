"""The outcome matrix: what every tier answered to every prompt, and whether that was right."""
