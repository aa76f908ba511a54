"""WebSocket on HTTP connections: the upgrade, the session behind it, what is said on which path, and who looks on."""
