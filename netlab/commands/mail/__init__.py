"""Mail: send it, and list, show, await, delete, import and export what a sink has kept."""

from __future__ import annotations

ACTIONS = {
    "send": "clients.mail.send",
    "list": "netlab.commands.mail.listing",
    "show": "netlab.commands.mail.showing",
    "wait": "netlab.commands.mail.waiting",
    "delete": "netlab.commands.mail.deleting",
    "import": "netlab.commands.mail.importing",
    "export": "netlab.commands.mail.exporting",
}
"""What `netlab mail` can do, and the module that does it."""
