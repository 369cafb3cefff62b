"""The engine inside a worker: tokens in, tokens and signals out. Does not know tiers or gates."""
