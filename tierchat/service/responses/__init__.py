"""OpenAI's Responses: a translation to and from the same prompts and events."""
