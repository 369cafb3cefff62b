"""A tierchat on another machine, seen from a command."""
