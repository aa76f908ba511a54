"""Small images of each kind a browser knows, the same little network on all of them."""

from __future__ import annotations

import base64
from functools import partial
from typing import NamedTuple

from netlab.http.endpoints.answers import respond
from netlab.http.endpoints.status import respond_status
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.policy.media import choose_type
from netlab.service import Context


class Image(NamedTuple):
    media_type: str
    data: bytes


PNG = """
iVBORw0KGgoAAAANSUhEUgAAACAAAAAgBAMAAACBVGfHAAAAGFBMVEX03oX1xTNNYm4ZQHgYQHgYQHcXQHgPOniV9mfWAAABEElEQVR42oWRvU
oDURCFv9lcQYKa0V4Mwb9C2MLCQkGRLS18Bl/B5/BFrIJYC4piJ6SxSpFtRclsIgrGzVgkIddYeJuPe5g5w5mRjN8vmfkTxuwiGguW8ZpHgu9e
FhulTj2kat5OI9N+E1zjKQZus2MlFhSkFgmuIHGLu7nFpoltnpVRFj/opA9c27SiTFapd6YV782524XTweEkSzd0tqAyvBuKkoBl+5yo3Nd7WQ
qVhu9cPQ62C//Yu3kuP+cTpGqykiD1ZfV2SqDfhHKpQesJXPMwSnoBiOI2u2QhgBpy3qf1YkiNgKshlrP2ZYiRsHisst6CtxElo3dUfOcwpmR4
USsUxgwgisKEf277v/ADyINlb4URO4IAAAAASUVORK5CYII=
"""
WEBP = """
UklGRtoAAABXRUJQVlA4TM0AAAAvH8AHAA7HkSRFjl/7Glvkq9yQL7sSMOh6U91EjJm2bSDkXAJq/Ilsv5m2bUCV196YwHj3X2Hbto3dPZPUfS
L0ZYw8OdPaB2zHIJ/Lt737bxFxPnm9kGyTs/0KnMZqWPPYH+oUs0vCeNxrLYkD+W3CRkoCI4UVB6TkRHMe6apjT7KCjjkYiTCgr5cmHt07XZGB
XqTXeAMlDfTj9cKw8r5oevoZv2dVVf99R3pQy1Y/89jznZxewsb64QDtf0jasSlXudhpOza8jI/t+AvcAA==
"""
JPEG = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYV
pQYEpRUk//wAALCAAgACABAREA/8QAGAAAAwEBAAAAAAAAAAAAAAAAAQUGAAT/xAAmEAABAwMDBAIDAAAAAAAAAAADAQIEAAUREyExBhJBURRx
kbHB/9oACAEBAAA/AJSu602s11kOEJzWNYnc97uESjd7Ua1SGjK5r2vTLHt2z7rgrVQdPFdbIEy6lVdLYIh8apOefSJlV+63UBnXS3RLqLOk1V
CUXOkTlN/Spj8VP046btYbnLIkly6Ymo7tauFdlf1Tm+2dCtiRgz4MSNHGqDFIL2KqquVd5yq7ZWhYrOgflxyz4MuNIEjSCjm71yi5R3jGPC0o
6ltQLZJF8Zy6ZWqva5cq1U/lK4so8QyGjFcMibZbRlSjzDKaSVxHqmMu9UIso8QyGjFcMibZbRlSjzDKaSVxHqmMu9V//9k=
"""
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 256 256">
<rect width="256" height="256" fill="#184078"/>
<path d="M64 176 128 64 192 176Z" fill="none" stroke="#fff" stroke-width="14"/>
<g fill="#ffc828">
<circle cx="64" cy="176" r="30"/><circle cx="128" cy="64" r="30"/><circle cx="192" cy="176" r="30"/>
</g>
</svg>
"""
IMAGES = {  # png where the client does not mind
    "png": Image("image/png", base64.b64decode(PNG)),
    "webp": Image("image/webp", base64.b64decode(WEBP)),
    "svg": Image("image/svg+xml", SVG),
    "jpeg": Image("image/jpeg", base64.b64decode(JPEG)),
}


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/image", negotiated, "an image of the kind that Accept prefers")
    for kind in sorted(IMAGES):
        routes.add("GET", f"/image/{kind}", partial(image, kind), f"an image, {IMAGES[kind].media_type}")


def image(kind: str, exchange: Exchange) -> None:
    respond(exchange, 200, [("Content-Type", IMAGES[kind].media_type)], IMAGES[kind].data)


def negotiated(exchange: Exchange) -> None:
    kinds = {found.media_type: kind for kind, found in IMAGES.items()}
    chosen = choose_type(exchange.request.fields.get("accept"), list(kinds))
    if chosen is None:
        respond_status(exchange, 406)
    else:
        image(kinds[chosen], exchange)
