"""Orders: who has a token can order, sees what is theirs, and sends it on its way as far as they may."""

from __future__ import annotations

from netlab.http.shop import shapes
from netlab.http.shop.model import Order
from netlab.http.shop.operations import ANYONE, Call, Operation, Reply
from netlab.http.shop.paging import LIMIT, PAGE, page_of
from netlab.http.shop.problems import Problem, invalid
from netlab.http.shop.schema import Schema

QUERY: dict[str, Schema] = {
    "page": PAGE,
    "limit": LIMIT,
    "status": shapes.STATUS,
    "sort": {"type": "string", "enum": ["id", "-id"], "default": "-id"},
}


def listed(call: Call) -> Reply:
    """One's own; the staff's are all."""
    found = [
        order
        for order in call.stock.orders.values()
        if (call.staff or order.user == call.user) and call.query.get("status", order.status) == order.status
    ]
    found.sort(key=lambda order: order.id, reverse=call.query["sort"] == "-id")
    page, fields = page_of(found, call.path, call.query)
    return Reply(200, [shapes.order(call.version, order) for order in page], tuple(fields))


def placed(call: Call) -> Reply:
    wanted: dict[str, int] = {}
    errors = []
    for index, item in enumerate(call.content["items"]):
        if item["sku"] not in call.stock.products:
            errors.append({"detail": f"there is no product {item['sku']}", "pointer": f"#/items/{index}/sku"})
        wanted[item["sku"]] = wanted.get(item["sku"], 0) + int(item["quantity"])
    if errors:
        raise invalid(errors)
    order = call.stock.order(call.user, wanted, call.now)
    return Reply(201, shapes.order(call.version, order), (("Location", f"{call.path}/{order.id}"),))


def shown(call: Call) -> Reply:
    return Reply(200, shapes.order(call.version, existing(call)))


def moved(call: Call) -> Reply:
    order = existing(call)
    call.check(shapes.order(call.version, order))
    call.stock.move(order, call.content["status"], staff=call.staff, now=call.now)
    return Reply(200, shapes.order(call.version, order))


def existing(call: Call) -> Order:
    """One's own, or for the staff anyone's; of another's order it is not even said that it is there."""
    number = call.caught["id"]
    order = call.stock.orders.get(int(number)) if number.isdecimal() and len(number) < 10 else None
    if order is None or not (call.staff or order.user == call.user):
        raise Problem("not-found", f"you have no order {number[:20]!r}")
    return order


NEXT = {name: {"id": "$response.body#/id"} for name in ("getOrder", "moveOrder")}

OPERATIONS = (
    Operation(
        id="listOrders",
        method="GET",
        path="/orders",
        summary="Your orders; for the staff all",
        handler=listed,
        tag="orders",
        roles=ANYONE,
        query=QUERY,
        replies={200: "[Order]"},
    ),
    Operation(
        id="placeOrder",
        method="POST",
        path="/orders",
        summary="Order something",
        handler=placed,
        tag="orders",
        roles=ANYONE,
        content="NewOrder",
        replies={201: "Order"},
        problems=(409, 507),
        takes=("Idempotency-Key",),
        links=NEXT,
    ),
    Operation(
        id="getOrder",
        method="GET",
        path="/orders/{id}",
        summary="One order",
        handler=shown,
        tag="orders",
        roles=ANYONE,
        replies={200: "Order"},
        problems=(404,),
    ),
    Operation(
        id="moveOrder",
        method="PATCH",
        path="/orders/{id}",
        summary="Send an order on: pay, ship, deliver, cancel",
        handler=moved,
        tag="orders",
        roles=ANYONE,
        content="OrderPatch",
        replies={200: "Order"},
        problems=(403, 404, 409),
        takes=("If-Match", "If-None-Match"),
    ),
)
