"""Mail: send a message and see the conversation."""

from __future__ import annotations

ACTIONS = {"send": "clients.mail.send"}
"""What `netlab mail` can do, and the module that does it."""
