"""A small shop as a REST API under /api, in memory: for people who write clients of such, and their tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from netlab.http.exchange import Exchange, Work
from netlab.http.routes import Routes
from netlab.http.shop.front import show_product, show_products, show_style
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.shop.api import Api


def register(routes: Routes, context: Context) -> None:
    """The shop opens with the first request; what is in it depends on the lab's seed alone."""
    seed = context.random.getrandbits(64)

    @cache
    def api() -> Api:
        from netlab.http.shop.api import Api

        return Api(context, seed)

    def handle(exchange: Exchange, rest: str = "") -> Work:
        return api().handle(exchange)

    def front(exchange: Exchange) -> None:
        show_products(exchange, api().stock.products.values())

    def product(exchange: Exchange, sku: str) -> None:
        show_product(exchange, api().stock.products.get(sku))

    routes.add("GET", "/shop", front, "the same shop for people, in pages that a cache may keep")
    routes.add("GET", "/shop/style.css", show_style)
    routes.add("GET", "/shop/{sku}", product)
    everything = "* TRACE"  # refused there, as a problem
    routes.add(everything, "/api", handle, "a shop as a REST API: its versions and their OpenAPI documents")
    routes.add(everything, "/api/{rest...}", handle)
