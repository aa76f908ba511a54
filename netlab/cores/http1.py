"""HTTP/1.1 without I/O, both roles (RFC 9110, RFC 9112): bytes in, events out; acts in, bytes out.

`ServerCore` and `ClientCore` share what is the same on both sides: a buffer, the reading of content, the writing of
content. The server reads request heads and writes response heads, the client the other way round.
"""

from __future__ import annotations

from netlab.cores.http1_client import Asked, ClientCore
from netlab.cores.http1_events import Closed, Data, End, Event, Frame, Informational, Request, Response
from netlab.cores.http1_grammar import Limits
from netlab.cores.http1_output import PHRASES, encode_fields, phrase
from netlab.cores.http1_server import ServerCore

__all__ = [
    "PHRASES",
    "Asked",
    "ClientCore",
    "Closed",
    "Data",
    "End",
    "Event",
    "Frame",
    "Informational",
    "Limits",
    "Request",
    "Response",
    "ServerCore",
    "encode_fields",
    "phrase",
]
