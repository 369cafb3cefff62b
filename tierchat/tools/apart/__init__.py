"""A process for tools that must be endable: the command holds one end, the tools the other."""
