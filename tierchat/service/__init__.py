"""One endpoint: the daemon, its HTTP, and the client of it."""
