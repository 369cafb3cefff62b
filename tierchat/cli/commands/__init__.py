"""One file per command: reads the options and calls the action."""
