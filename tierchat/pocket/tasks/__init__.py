"""The questions that the bundled models learn: generated, seeded, with their answers."""
