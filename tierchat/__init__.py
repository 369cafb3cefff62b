"""tierchat: a nest of local language models; the smallest that can answers."""

__version__ = "0.1.0"
