"""What the bundled models are worth, alone and as a cascade."""
