"""The words in which llama.cpp and GPU drivers tell that memory ran out.

Does not know who said them.
"""

_OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate",
    "unable to allocate",
    "cannot allocate memory",
    "insufficient memory",
    "bad_alloc",
    # ggml asserts that it was given what it asked for.
    "mem_buffer != null",
    "outofhostmemory",
    "resource allocation failed",
    "alloc_failed",
    # No room for its stack.
    "can't start new thread",
    "outofdevicememory",
    "memoryerror",
)


def says_out_of_memory(text: str) -> bool:
    """Recognise them in a message."""
    folded = text.casefold()
    return any(words in folded for words in _OUT_OF_MEMORY)
