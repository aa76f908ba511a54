"""Mail: send a message and see the conversation."""
