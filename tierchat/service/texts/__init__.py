"""Texts that are not answered: their tokens, their vectors."""
