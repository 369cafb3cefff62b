"""The cascades of one home, and the models they keep loaded."""
