"""One file per command: does what the command was asked for."""
