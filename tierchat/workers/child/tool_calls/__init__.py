"""How models write calls of tools: read while they are written, checked, or forced."""
