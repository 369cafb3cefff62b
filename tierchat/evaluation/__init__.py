"""The outcome matrix, the policies replayed on it, and what is measured of them."""
