"""Tokens in, tokens and signals out; `llama/` alone imports llama_cpp.

Does not know tiers, gates or the files that describe them.
"""
