"""How much memory a model takes on this machine, and which models fit together."""
