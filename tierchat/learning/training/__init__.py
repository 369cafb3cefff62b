"""One lesson: rounds of prompts, a fit, and what the gates are worth on held-out prompts."""
