"""One question: its options, its texts, and the printing of its answer."""
