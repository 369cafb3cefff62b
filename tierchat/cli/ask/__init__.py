"""One question: its options, the texts that go with it, and the printing of its answer."""
