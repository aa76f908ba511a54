"""How many descriptors this process, and what it starts, may have open."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> int:
    """To the hard limit; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
