"""What a prompt plainly asks of the form of its answer, and whether an answer keeps to it."""
