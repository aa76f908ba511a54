"""One module per client: a library, and a command of the same name."""
