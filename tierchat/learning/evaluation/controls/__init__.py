"""The policies that ours is compared with, fitted and replayed on the same outcome matrices."""
