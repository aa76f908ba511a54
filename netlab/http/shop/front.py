"""The shop's pages for people: what there is to buy, fit for a shared cache."""

from __future__ import annotations

import hashlib
import html
import time
from collections.abc import Iterable

from netlab.http.exchange import Exchange
from netlab.http.shop.model import Product
from netlab.policy.conditional import Current, evaluate

FRESH = 60
"""Seconds for which a page may be kept."""
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}
a{color:inherit}ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.8rem;padding:0}
li{list-style:none;border:1px solid #8884;border-radius:.5rem;padding:.7rem 1rem}small{opacity:.7}
@media(prefers-color-scheme:dark){body{background:#181a1f;color:#ddd}}
"""
FIELDS = [
    ("Cache-Control", f"public, max-age={FRESH}"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]


def show_style(exchange: Exchange) -> None:
    _show(exchange, "text/css; charset=utf-8", STYLE)


def show_products(exchange: Exchange, products: Iterable[Product]) -> None:
    items = "\n".join(
        f'<li><a href="/shop/{product.sku}">{html.escape(product.name)}</a><br>'
        f"<small>{html.escape(product.category)}</small><br>{_price(product)}</li>"
        for product in products
    )
    _show_page(exchange, "Shop", f"<ul>\n{items}\n</ul>")


def show_product(exchange: Exchange, product: Product | None) -> None:
    if product is None:
        exchange.refuse(404, "there is no such product in the shop", see="/shop")
        return
    left = f"{product.stock} in stock" if product.stock else "sold out"
    tags = "".join(f" · {html.escape(tag)}" for tag in product.tags)
    about = f"<p>{html.escape(product.category)}{tags}</p>\n<p>{_price(product)}, {left}</p>"
    what = f'{about}\n<p><a href="/shop">all</a></p>'
    _show_page(exchange, product.name, what)


def _price(product: Product) -> str:
    return f"{product.cents // 100}.{product.cents % 100:02} €"


def _show_page(exchange: Exchange, title: str, content: str) -> None:
    page = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n"
        f'<link rel="stylesheet" href="/shop/style.css">\n<h1>{html.escape(title)}</h1>\n{content}\n</html>\n'
    )
    _show(exchange, "text/html; charset=utf-8", page)


def _show(exchange: Exchange, media_type: str, text: str) -> None:
    """A page with a strong validator, or 304 to who has it (RFC 9110 13.2.2)."""
    body = text.encode()
    tag = f'"{hashlib.blake2b(body, digest_size=9).hexdigest()}"'
    fields = [("ETag", tag), *FIELDS]
    request = exchange.request
    verdict = evaluate(request.method, request.fields, Current(etags=(tag,)), now=time.time())
    if verdict is not None:
        exchange.respond(verdict.status, fields)
    else:
        exchange.respond(200, [("Content-Type", media_type), *fields], body)
