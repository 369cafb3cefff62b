"""Where model files come from: names on the hub, and downloads that resume."""
