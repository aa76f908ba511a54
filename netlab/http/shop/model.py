"""What is in the shop: products, users, orders; and where an order can go from where it is."""

from __future__ import annotations

import random
import re
from collections.abc import Sized
from dataclasses import dataclass, field

from netlab.http.shop.problems import Problem

DAY = 86_400.0

MOST = {"products": 5000, "users": 1000, "orders": 5000}

TRANSITIONS = {  # where an order can go, and who may send it there
    "pending": {"paid": "owner", "cancelled": "owner"},
    "paid": {"shipped": "staff", "cancelled": "owner"},
    "shipped": {"delivered": "staff"},
    "delivered": {},
    "cancelled": {},
}
STATUSES = tuple(TRANSITIONS)

CATEGORIES = {
    "tea": ("Assam", "Earl Grey", "Sencha", "Oolong", "Rooibos", "Jasmine", "Darjeeling", "Mint"),
    "coffee": ("Mocha", "Bourbon", "Robusta", "Espresso Roast", "Geisha", "Decaf", "Monsooned", "Sidamo"),
    "chocolate": ("Dark 70 %", "Dark 85 %", "Milk", "White", "Hazelnut", "Orange", "Sea Salt", "Ruby"),
    "spice": ("Cardamom", "Cinnamon", "Clove", "Cumin", "Saffron", "Sumac", "Turmeric", "Vanilla"),
    "ware": ("Mug", "Teapot", "Kettle", "Grinder", "Mortar", "Strainer", "Scale", "Tin"),
}
TAGS = ("organic", "fair", "new", "gift", "loose", "whole", "limited")


@dataclass(slots=True)
class Product:
    """Something to buy; the price in cents."""

    sku: str
    name: str
    category: str
    cents: int
    stock: int
    tags: tuple[str, ...]
    created: float
    updated: float


@dataclass(slots=True)
class Person:
    """A user of the shop; `secret` is a keyed hash that lives as long as the process."""

    name: str
    email: str
    role: str
    secret: bytes = field(repr=False)
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an order, with the price as it was."""

    sku: str
    quantity: int
    cents: int


@dataclass(slots=True)
class Order:
    """Who bought what, and how far it is."""

    id: int
    user: str
    items: tuple[Item, ...]
    status: str
    created: float
    updated: float

    @property
    def cents(self) -> int:
        return sum(item.quantity * item.cents for item in self.items)


class Stock:
    """All of it, in dicts that keep the order in which things came."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.people: dict[str, Person] = {}
        self.orders: dict[int, Order] = {}
        self._last_order = 1000

    def room_for(self, what: str) -> None:
        """Problem where the bound of a kind is reached: it all lives in memory."""
        held: dict[str, Sized] = {"products": self.products, "users": self.people, "orders": self.orders}
        if len(held[what]) >= MOST[what]:
            raise Problem("full", f"there are {len(held[what])} {what}, and no more fit in")

    def order(self, user: str, wanted: dict[str, int], now: float) -> Order:
        """Take what is wanted out of the stock, all of it or nothing."""
        self.room_for("orders")
        for sku, quantity in wanted.items():
            left = self.products[sku].stock
            if left < quantity:
                raise Problem("out-of-stock", f"{quantity} of {sku} are wanted, and {left} are left")
        for sku, quantity in wanted.items():
            self.products[sku].stock -= quantity
        items = tuple(Item(sku, quantity, self.products[sku].cents) for sku, quantity in wanted.items())
        self._last_order += 1
        order = self.orders[self._last_order] = Order(self._last_order, user, items, "pending", now, now)
        return order

    def move(self, order: Order, status: str, *, staff: bool, now: float) -> None:
        """Send an order on its way; Problem where it cannot go there, or not by this person."""
        ways = TRANSITIONS[order.status]
        if status not in ways:
            where = ", ".join(ways) or "nowhere"
            raise Problem(
                "transition", f"an order that is {order.status} can go to {where}, not to {status}", allowed=list(ways)
            )
        if ways[status] == "staff" and not staff:
            raise Problem("forbidden", f"only staff can have an order {status}")
        if status == "cancelled":
            for item in order.items:  # back on the shelf, if there still is one
                if item.sku in self.products:
                    self.products[item.sku].stock += item.quantity
        order.status, order.updated = status, now


def seeded(seed: int, now: float) -> Stock:
    """A shop with something in it: the same for the same seed, but for the dates, which count from now."""
    chance, stock = random.Random(seed), Stock()
    for category, names in CATEGORIES.items():
        for name in names:
            sku = re.sub(r"[^a-z0-9]+", "-", f"{category} {name}".lower()).strip("-")
            created = now - chance.randrange(30, 400) * DAY - chance.randrange(86_400)
            tags = tuple(sorted(chance.sample(TAGS, chance.randrange(4))))
            cents, left = chance.randrange(150, 9900, 10), chance.choice((0, 3, 12, 40, 120))
            stock.products[sku] = Product(sku, name, category, cents, left, tags, created, created)
    return stock


def with_orders(stock: Stock, seed: int, now: float) -> None:
    """Some orders of the customers, at each point of their way."""
    chance = random.Random(seed + 1)
    customers = [person.name for person in stock.people.values() if person.role == "customer"]
    for number in range(12):
        skus = chance.sample(sorted(sku for sku, product in stock.products.items() if product.stock > 3), 3)
        wanted = {sku: chance.randrange(1, 3) for sku in skus[: chance.randrange(1, 4)]}
        order = stock.order(customers[number % len(customers)], wanted, now - chance.randrange(1, 30) * DAY)
        for status in ((), ("paid",), ("paid", "shipped"), ("paid", "shipped", "delivered"), ("cancelled",))[
            number % 5
        ]:
            stock.move(order, status, staff=True, now=order.updated + chance.randrange(3600, 40_000))
