"""What a model takes of this machine, and which models fit together."""
