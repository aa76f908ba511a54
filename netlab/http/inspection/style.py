"""The inspection page's style, inlined, and the Content-Security-Policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from netlab.http.inspection.drawing import ROW


@cache
def style() -> str:
    """The style sheet, and a class for each width of a box in a drawing: attributes could not be let in by a hash."""
    text = resources.files("netlab.http.inspection").joinpath("page.css").read_text(encoding="utf-8")
    return text + "".join(f".w{bits}{{grid-column:span {bits}}}" for bits in range(1, ROW + 1))


@cache
def policy() -> str:
    """Whatever a request contains: no script is run, nothing is fetched, no form is sent, no page frames this one."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
