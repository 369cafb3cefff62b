"""One file per command: does its work once the options are read."""
