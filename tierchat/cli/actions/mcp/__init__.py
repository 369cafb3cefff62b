"""`tierchat mcp`: the nest as tools for editors and agents."""
