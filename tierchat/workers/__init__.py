"""One child process per model, and the pool that keeps them."""
