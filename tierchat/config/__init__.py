"""What is written down: settings, the catalogue, models that were added."""
