"""What a person sees: streams, Markdown, progress, tables, units and the tier line."""
