"""Teaching a cascade's small tiers when to ask: prompts, graders, rounds, and the fit."""
