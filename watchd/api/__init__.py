"""One request: what it asks, what it may, what it answers."""
