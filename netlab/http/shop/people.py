"""Users of the shop, and how one of them gets a token."""

from __future__ import annotations

from netlab.http.shop import shapes
from netlab.http.shop.accounts import LIFETIME
from netlab.http.shop.model import Person
from netlab.http.shop.operations import ANYONE, STAFF, Call, Operation, Reply
from netlab.http.shop.paging import LIMIT, PAGE, page_of
from netlab.http.shop.problems import Problem


def login(call: Call) -> Reply:
    person = call.stock.people.get(call.content["user"])
    if not call.accounts.right(person, call.content["password"]) or person is None:
        asks = [("WWW-Authenticate", 'Bearer realm="shop"')]
        raise Problem("unauthenticated", "user or password are wrong", fields=asks)
    token = {"access_token": call.accounts.token(person, call.now), "token_type": "Bearer", "expires_in": LIFETIME}
    return Reply(200, {**token, "roles": [person.role]}, (("Cache-Control", "no-store"),))


def added(call: Call) -> Reply:
    name = call.content["name"]
    if name in call.stock.people:
        raise Problem("exists", f"there is a user {name} already")
    person = made(call, name, None)
    return Reply(201, shapes.person(call.version, person), (("Location", f"{call.path}/{name}"),))


def put(call: Call) -> Reply:
    """Replace a user or make one: staff any, others themselves, and not their role."""
    name = call.caught["name"]
    before = call.stock.people.get(name)
    if not call.staff:
        existing(call)
        if before is not None and call.content.get("role", before.role) != before.role:
            raise Problem("forbidden", "only staff can give a user another role")
    call.check(shapes.person(call.version, before) if before is not None else None)
    person = made(call, name, before)
    if before is None:
        return Reply(201, shapes.person(call.version, person), (("Location", call.path),))
    return Reply(200, shapes.person(call.version, person))


def made(call: Call, name: str, before: Person | None) -> Person:
    """What is not said stays as it was; without a password, a new user has none that is right."""
    if before is None:
        call.stock.room_for("users")
    content = call.content
    role = content.get("role", before.role if before is not None else "customer")
    secret = before.secret if before is not None else b""
    if "password" in content:
        secret = call.accounts.hashed(content["password"])
    person = Person(name, content["email"], role, secret, call.now, call.now)
    if before is not None:
        person.created = before.created
        if (before.email, before.role, before.secret) == (person.email, person.role, person.secret):
            person.updated = before.updated
    call.stock.people[name] = person
    return person


def listed(call: Call) -> Reply:
    found = [person for person in call.stock.people.values() if call.query.get("role", person.role) == person.role]
    page, fields = page_of(sorted(found, key=lambda person: person.name), call.path, call.query)
    return Reply(200, [shapes.person(call.version, person) for person in page], tuple(fields))


def shown(call: Call) -> Reply:
    return Reply(200, shapes.person(call.version, existing(call)))


def removed(call: Call) -> Reply:
    person = existing(call)
    call.check(shapes.person(call.version, person))
    del call.stock.people[person.name]
    return Reply(204)


def me(call: Call) -> Reply:
    """What a token says, whoever made it."""
    return Reply(200, {"user": call.user, "roles": list(call.roles), "expires": shapes.date(call.expires)})


def existing(call: Call) -> Person:
    """Oneself, or for the staff anyone; of others it is not said whether they are there."""
    name = call.caught["name"]
    person = call.stock.people.get(name)
    if not call.staff and name != call.user:
        raise Problem("forbidden", "only staff can see and change other users")
    if person is None:
        raise Problem("not-found", f"there is no user {name[:40]!r}")
    return person


ONE = "/users/{name}"
NEXT = {name: {"name": "$response.body#/name"} for name in ("getUser", "replaceUser", "removeUser")}
CONDITIONAL = ("If-Match", "If-None-Match")

OPERATIONS = (
    Operation(
        id="login",
        method="POST",
        path="/login",
        summary="A token for a user and a password",
        handler=login,
        tag="users",
        content="Login",
        replies={200: "Token"},
        problems=(401,),
    ),
    Operation(
        id="getMe",
        method="GET",
        path="/me",
        summary="Who the token says you are",
        handler=me,
        tag="users",
        roles=ANYONE,
        replies={200: "Me"},
    ),
    Operation(
        id="listUsers",
        method="GET",
        path="/users",
        summary="All users",
        handler=listed,
        tag="users",
        roles=STAFF,
        query={"page": PAGE, "limit": LIMIT, "role": shapes.ROLE},
        replies={200: "[User]"},
    ),
    Operation(
        id="addUser",
        method="POST",
        path="/users",
        summary="A new user",
        handler=added,
        tag="users",
        roles=STAFF,
        content="NewUser",
        replies={201: "User"},
        problems=(409, 507),
        takes=("Idempotency-Key",),
        links=NEXT,
    ),
    Operation(
        id="getUser",
        method="GET",
        path=ONE,
        summary="One user: yourself, or for the staff anyone",
        handler=shown,
        tag="users",
        roles=ANYONE,
        replies={200: "User"},
        problems=(403, 404),
    ),
    Operation(
        id="replaceUser",
        method="PUT",
        path=ONE,
        summary="Replace a user, or make one",
        handler=put,
        tag="users",
        roles=ANYONE,
        content="UserContent",
        replies={200: "User", 201: "User"},
        problems=(403, 404, 507),
        takes=CONDITIONAL,
        links=NEXT,
    ),
    Operation(
        id="removeUser",
        method="DELETE",
        path=ONE,
        summary="Remove a user",
        handler=removed,
        tag="users",
        roles=STAFF,
        replies={204: ""},
        problems=(404,),
        takes=CONDITIONAL,
    ),
)
