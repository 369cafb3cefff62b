"""HTTP as the service speaks it: bounds, replies in one piece, streams, unknown paths."""
