"""Products: a list with pages, filters and orders, and each to be read, replaced, changed and removed."""

from __future__ import annotations

from typing import Any

from netlab.http.shop import shapes
from netlab.http.shop.model import Product
from netlab.http.shop.operations import STAFF, Call, Operation, Reply
from netlab.http.shop.paging import LIMIT, PAGE, page_of
from netlab.http.shop.problems import Problem
from netlab.http.shop.schema import Schema

SORTS = ("sku", "name", "price", "stock", "created")
PRICE: Schema = {"type": "number", "minimum": 0, "maximum": 100_000}
QUERY: dict[str, Schema] = {
    "page": PAGE,
    "limit": LIMIT,
    "category": shapes.CATEGORY,
    "q": {"type": "string", "maxLength": 80},
    "min_price": PRICE,
    "max_price": PRICE,
    "in_stock": {"type": "boolean"},
    "sort": {"type": "string", "enum": [sign + name for name in SORTS for sign in ("", "-")], "default": "sku"},
}
KEYS: dict[str, Any] = {
    "sku": lambda product: product.sku,
    "name": lambda product: product.name.casefold(),
    "price": lambda product: product.cents,
    "stock": lambda product: product.stock,
    "created": lambda product: product.created,
}


def listed(call: Call) -> Reply:
    query = call.query
    words = query.get("q", "").casefold()
    found = [
        product
        for product in call.stock.products.values()
        if query.get("category", product.category) == product.category
        and words in f"{product.name} {product.category} {' '.join(product.tags)}".casefold()
        and query.get("min_price", 0) * 100 <= product.cents <= query.get("max_price", 1e9) * 100
        and query.get("in_stock", product.stock > 0) == (product.stock > 0)
    ]
    sort = query["sort"]
    found.sort(key=KEYS[sort.lstrip("-")], reverse=sort.startswith("-"))
    page, fields = page_of(found, call.path, query)
    return Reply(200, [shapes.product(call.version, product) for product in page], tuple(fields))


def shown(call: Call) -> Reply:
    return Reply(200, shapes.product(call.version, existing(call)))


def added(call: Call) -> Reply:
    sku = call.content["sku"]
    if sku in call.stock.products:
        raise Problem("exists", f"there is a product {sku} already")
    product = made(call, sku, call.now)
    return Reply(201, shapes.product(call.version, product), (("Location", f"{call.path}/{sku}"),))


def put(call: Call) -> Reply:
    """Replace what is there or make it; the same again changes nothing (RFC 9110 9.3.4)."""
    sku = call.caught["sku"]
    before = call.stock.products.get(sku)
    seen = shapes.product(call.version, before) if before is not None else None
    call.check(seen, required=call.version > 1)
    if before is None:
        return Reply(201, shapes.product(call.version, made(call, sku, call.now)), (("Location", call.path),))
    product = made(call, sku, before.created)
    if facts(product) == facts(before):
        product.updated = before.updated
    return Reply(200, shapes.product(call.version, product))


def patched(call: Call) -> Reply:
    """Change some members (RFC 7396); null gives one its default."""
    product = existing(call)
    call.check(shapes.product(call.version, product), required=call.version > 1)
    content = call.content
    product.name, product.category = content.get("name", product.name), content.get("category", product.category)
    if "price" in content:
        product.cents = shapes.cents(call.version, content["price"])
    if "stock" in content:
        product.stock = int(content["stock"] or 0)
    if "tags" in content:
        product.tags = tuple(content["tags"] or ())
    product.updated = call.now
    return Reply(200, shapes.product(call.version, product))


def removed(call: Call) -> Reply:
    product = existing(call)
    call.check(shapes.product(call.version, product))
    del call.stock.products[product.sku]
    return Reply(204)


def existing(call: Call) -> Product:
    product = call.stock.products.get(call.caught["sku"])
    if product is None:
        raise Problem("not-found", f"there is no product {call.caught['sku'][:40]!r}")
    return product


def made(call: Call, sku: str, created: float) -> Product:
    if sku not in call.stock.products:
        call.stock.room_for("products")
    content = call.content
    price = shapes.cents(call.version, content["price"])
    stock, tags = int(content.get("stock", 0)), tuple(content.get("tags", ()))
    product = Product(sku, content["name"], content["category"], price, stock, tags, created, call.now)
    call.stock.products[sku] = product
    return product


def facts(product: Product) -> tuple[Any, ...]:
    return product.name, product.category, product.cents, product.stock, product.tags


ONE = "/products/{sku}"
NEXT = {
    name: {"sku": "$response.body#/sku"} for name in ("getProduct", "replaceProduct", "changeProduct", "removeProduct")
}
CHANGES: dict[str, Any] = {"tag": "products", "roles": STAFF}

OPERATIONS = (
    Operation(
        id="listProducts",
        method="GET",
        path="/products",
        summary="Products, page by page; filtered and sorted",
        handler=listed,
        tag="products",
        query=QUERY,
        replies={200: "[Product]"},
    ),
    Operation(
        id="addProduct",
        method="POST",
        path="/products",
        summary="A new product",
        handler=added,
        content="NewProduct",
        replies={201: "Product"},
        problems=(409, 507),
        takes=("Idempotency-Key",),
        links=NEXT,
        **CHANGES,
    ),
    Operation(
        id="getProduct",
        method="GET",
        path=ONE,
        summary="One product",
        handler=shown,
        tag="products",
        replies={200: "Product"},
        problems=(404,),
    ),
    Operation(
        id="replaceProduct",
        method="PUT",
        path=ONE,
        summary="Replace a product, or make it",
        handler=put,
        content="ProductContent",
        replies={200: "Product", 201: "Product"},
        problems=(507,),
        takes=("If-Match", "If-None-Match"),
        links=NEXT,
        **CHANGES,
    ),
    Operation(
        id="changeProduct",
        method="PATCH",
        path=ONE,
        summary="Change some of a product (merge patch)",
        handler=patched,
        content="ProductPatch",
        replies={200: "Product"},
        problems=(404,),
        takes=("If-Match", "If-None-Match"),
        **CHANGES,
    ),
    Operation(
        id="removeProduct",
        method="DELETE",
        path=ONE,
        summary="Remove a product",
        handler=removed,
        replies={204: ""},
        problems=(404,),
        takes=("If-Match", "If-None-Match"),
        **CHANGES,
    ),
)
