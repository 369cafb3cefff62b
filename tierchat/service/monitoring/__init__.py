"""How the service is doing, for those who watch it: health and metrics."""
