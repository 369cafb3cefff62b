"""The files below folders that were named: listed, read and searched, and nothing else."""
