"""The commands about model files and the memory they take."""
