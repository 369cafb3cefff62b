"""Tools and their calls in chat templates: as values, as text, and how that is found out."""
