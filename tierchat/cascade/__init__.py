"""One prompt's way over the tiers, and its ledger."""
