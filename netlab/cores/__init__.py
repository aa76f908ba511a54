"""Sans-IO engines: bytes to events, calls to bytes."""
