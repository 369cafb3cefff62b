"""Questions whose answers are known or computed: facts, units, dates, sums, puzzles."""
