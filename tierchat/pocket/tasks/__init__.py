"""The questions that the bundled models learn: generated from a seed, with their answers."""
