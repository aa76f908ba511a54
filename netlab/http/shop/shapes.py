"""How things look from outside, in each version, and the schemas that say so. Version 2 writes money as money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from netlab.http.shop.model import CATEGORIES, STATUSES, Order, Person, Product
from netlab.http.shop.problems import SCHEMA as PROBLEM_SCHEMA
from netlab.http.shop.schema import Schema

CURRENCY = "EUR"

TEXT: Schema = {"type": "string"}
SKU: Schema = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 40, "minLength": 1}
USER_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{1,30}$", "maxLength": 31}
AMOUNT: Schema = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,4})\\.[0-9]{2}$", "maxLength": 8}
DATE: Schema = {"type": "string", "format": "date-time"}
PASSWORD: Schema = {"type": "string", "minLength": 6, "maxLength": 100}
EMAIL: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63})+$",
    "maxLength": 254,
}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[^\\u0000-\\u001f\\u007f]*$"}
TAGS: Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[a-z0-9-]{1,20}$"},
    "maxItems": 10,
    "uniqueItems": True,
}
STOCK: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
CATEGORY: Schema = {"type": "string", "enum": list(CATEGORIES)}
ROLE: Schema = {"type": "string", "enum": ["customer", "staff"]}
STATUS: Schema = {"type": "string", "enum": list(STATUSES)}
QUANTITY: Schema = {"type": "integer", "minimum": 1, "maximum": 100}

MONEY: dict[int, Schema] = {
    1: {"type": "number", "minimum": 0, "maximum": 99_999.99},
    2: {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {"amount": AMOUNT, "currency": {"type": "string", "enum": [CURRENCY]}},
        "additionalProperties": False,
    },
}
MONEY_TOTAL: dict[int, Schema] = {
    1: {"type": "number", "minimum": 0},
    2: {
        **MONEY[2],
        "properties": {**MONEY[2]["properties"], "amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"}},
    },
}

PATH_PARAMETERS: Mapping[str, Schema] = {
    "sku": SKU,
    "name": USER_NAME,
    "id": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}


def closed(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object of these members and no others."""
    required = [name for name in properties if name not in optional]
    found = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": required} if required else found


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Null in a merge patch removes a member (RFC 7396): what can be done without takes its default."""
    return {**schema, "type": [schema["type"], "null"]}


def components(version: int) -> dict[str, Schema]:
    """The schemas of a version by name."""
    return {**of_products(version), **of_orders(version), **OF_PEOPLE, "Problem": PROBLEM_SCHEMA}


def of_products(version: int) -> dict[str, Schema]:
    money = MONEY[version]
    described: dict[str, Schema] = {"name": NAME, "category": CATEGORY, "price": money, "stock": STOCK, "tags": TAGS}
    patch = closed({**described, "stock": nullable(STOCK), "tags": nullable(TAGS)}, optional=tuple(described))
    return {
        "Product": closed({"sku": SKU, **described, "created": DATE, "updated": DATE}),
        "NewProduct": closed({"sku": SKU, **described}, optional=("stock", "tags")),
        "ProductContent": closed(described, optional=("stock", "tags")),
        "ProductPatch": {**patch, "minProperties": 1},
    }


def of_orders(version: int) -> dict[str, Schema]:
    item: dict[str, Schema] = {"sku": SKU, "quantity": QUANTITY}
    order: dict[str, Schema] = {
        "id": {"type": "integer", "minimum": 1},
        "user": TEXT,
        "status": STATUS,
        "items": {"type": "array", "items": closed({**item, "price": MONEY[version]}), "minItems": 1},
        "total": MONEY_TOTAL[version],
        "created": DATE,
        "updated": DATE,
    }
    return {
        "Order": closed(order),
        "NewOrder": closed({"items": {"type": "array", "items": closed(item), "minItems": 1, "maxItems": 20}}),
        "OrderPatch": closed({"status": STATUS}),
    }


PERSON: dict[str, Schema] = {"name": USER_NAME, "email": EMAIL, "role": ROLE}
OF_PEOPLE: dict[str, Schema] = {
    "User": closed({**PERSON, "created": DATE, "updated": DATE}),
    "NewUser": closed({**PERSON, "password": PASSWORD}, optional=("role",)),
    "UserContent": closed({"email": EMAIL, "role": ROLE, "password": PASSWORD}, optional=("role", "password")),
    "Login": closed({"user": {**TEXT, "maxLength": 100}, "password": {**TEXT, "maxLength": 100}}),
    "Token": closed(
        {
            "access_token": TEXT,
            "token_type": {**TEXT, "enum": ["Bearer"]},
            "expires_in": {"type": "integer"},
            "roles": {"type": "array", "items": TEXT},
        }
    ),
    "Me": closed({"user": TEXT, "roles": {"type": "array", "items": TEXT}, "expires": DATE}),
}


# -- out and in --------------------------------------------------------------------------------------------------


def product(version: int, found: Product) -> dict[str, Any]:
    return {
        "sku": found.sku,
        "name": found.name,
        "category": found.category,
        "price": money(version, found.cents),
        "stock": found.stock,
        "tags": list(found.tags),
        **dates(found),
    }


def order(version: int, found: Order) -> dict[str, Any]:
    items = [{"sku": item.sku, "quantity": item.quantity, "price": money(version, item.cents)} for item in found.items]
    total = money(version, found.cents)
    return {"id": found.id, "user": found.user, "status": found.status, "items": items, "total": total, **dates(found)}


def person(_version: int, found: Person) -> dict[str, Any]:
    return {"name": found.name, "email": found.email, "role": found.role, **dates(found)}


def dates(found: Product | Order | Person) -> dict[str, str]:
    return {"created": date(found.created), "updated": date(found.updated)}


def date(seconds: float) -> str:
    """RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(version: int, cents: int) -> Any:
    if version == 1:
        return cents / 100
    return {"amount": f"{cents // 100}.{cents % 100:02}", "currency": CURRENCY}


def cents(version: int, value: Any) -> int:
    """Money as it came, in cents; version 1 rounds to them."""
    return math.floor(float(value) * 100 + 0.5) if version == 1 else int(str(value["amount"]).replace(".", ""))
