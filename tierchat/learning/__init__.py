"""Who was right, who could have known, and the gates taught from it."""
