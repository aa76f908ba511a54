"""What a server knows of a visitor's own connection and request: gathered, as JSON, and as a page."""
