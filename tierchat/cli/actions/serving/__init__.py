"""What `tierchat serve` does."""
