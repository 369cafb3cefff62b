"""What requests of every API have in common: which fields there are, and what they mean."""
