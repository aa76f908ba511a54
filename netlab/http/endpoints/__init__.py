"""Built-in paths for people who write clients: what was sent, and answers of every kind."""
