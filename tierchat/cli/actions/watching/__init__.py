"""What the daemon and its models are doing, as lines: once, and live."""
