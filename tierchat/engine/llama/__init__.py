"""The seam to llama.cpp: its low-level C API, which no other folder imports."""
