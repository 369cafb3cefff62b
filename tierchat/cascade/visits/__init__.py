"""One tier's visit to a prompt: what the tier is asked, and what follows when the visit ends."""
