"""The bundled cascade: three tiny models, the recipe that trained them, and its evaluation.

Does not know the engine or the daemon; only `evaluate` reaches down to them.
"""
