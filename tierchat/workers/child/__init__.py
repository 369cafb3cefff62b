"""What runs inside a worker's process: the engine, its requests and their gates."""
