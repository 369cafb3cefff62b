"""A model before it runs: its file, its header, its memory."""
