"""One file per command: reads its options and calls its action."""
