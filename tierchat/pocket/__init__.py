"""The bundled models, and the recipe that trained them.

Does not know the engine, the daemon or the command line; `measure` runs models in worker processes.
"""
