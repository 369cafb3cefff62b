"""Small talk, questions that nobody can answer, and conversations of several turns."""
