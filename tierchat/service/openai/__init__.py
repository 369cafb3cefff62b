"""The parts of OpenAI's JSON that have files of their own: tools and their calls."""
