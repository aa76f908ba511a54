"""Users of the shop, and how one of them gets a token."""

from __future__ import annotations

import hmac
import secrets

from netlab.http.shop import shapes
from netlab.http.shop.model import Person, Stock
from netlab.http.shop.operations import ANYONE, STAFF, Call, Operation, Reply
from netlab.http.shop.paging import LIMIT, PAGE, page_of
from netlab.http.shop.problems import Problem
from netlab.policy.jwt import Key, sign

LIFETIME = 3600
SEEDED = (("ada", "staff"), ("bob", "customer"), ("carol", "customer"))
PASSWORD = "secret"  # noqa: S105  of the users that every shop begins with; it is in the documentation


class People:
    """The users' resources; tokens are signed with `key`."""

    def __init__(self, key: Key) -> None:
        self._key = key
        # passwords live in this process' memory alone: a keyed hash suffices, and costs no request any time
        self._pepper = secrets.token_bytes(32)

    def settle(self, stock: Stock, now: float) -> None:
        """The users that are there from the beginning."""
        for name, role in SEEDED:
            stock.people[name] = Person(name, f"{name}@shop.test", role, self._hash(PASSWORD), now, now)

    def login(self, call: Call) -> Reply:
        person = call.stock.people.get(call.content["user"])
        right = hmac.compare_digest(self._hash(call.content["password"]), person.secret if person is not None else b"")
        if person is None or not right:
            raise Problem(
                "unauthenticated", "user or password are wrong", fields=[("WWW-Authenticate", 'Bearer realm="shop"')]
            )
        now = int(call.now)
        claims = {"sub": person.name, "roles": [person.role], "iat": now, "exp": now + LIFETIME}
        token = {"access_token": sign(claims, self._key), "token_type": "Bearer", "expires_in": LIFETIME}
        return Reply(200, {**token, "roles": [person.role]}, (("Cache-Control", "no-store"),))

    def add(self, call: Call) -> Reply:
        name = call.content["name"]
        if name in call.stock.people:
            raise Problem("exists", f"there is a user {name} already")
        person = self._made(call, name, None)
        return Reply(201, shapes.person(call.version, person), (("Location", f"{call.path}/{name}"),))

    def put(self, call: Call) -> Reply:
        """Replace a user or make one: staff any, others themselves, and not their role."""
        name = call.caught["name"]
        before = call.stock.people.get(name)
        if not call.staff:
            existing(call)
            if before is not None and call.content.get("role", before.role) != before.role:
                raise Problem("forbidden", "only staff can give a user another role")
        call.check(shapes.person(call.version, before) if before is not None else None)
        person = self._made(call, name, before)
        if before is None:
            return Reply(201, shapes.person(call.version, person), (("Location", call.path),))
        return Reply(200, shapes.person(call.version, person))

    def _made(self, call: Call, name: str, before: Person | None) -> Person:
        if before is None:
            call.stock.room_for("users")
        content = call.content
        role = content.get("role", before.role if before is not None else "customer")
        secret = (
            self._hash(content["password"]) if "password" in content else before.secret if before is not None else b""
        )
        person = Person(name, content["email"], role, secret, call.now, call.now)
        if before is not None:
            person.created = before.created
            if (before.email, before.role, before.secret) == (person.email, person.role, person.secret):
                person.updated = before.updated
        call.stock.people[name] = person
        return person

    def _hash(self, password: str) -> bytes:
        return hmac.digest(self._pepper, password.encode(), "sha256")


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


def operations(people: People) -> tuple[Operation, ...]:
    one = "/users/{name}"
    following = {name: {"name": "$response.body#/name"} for name in ("getUser", "replaceUser", "removeUser")}
    conditional = ("If-Match", "If-None-Match")
    return (
        Operation(
            id="login",
            method="POST",
            path="/login",
            summary="A token for a user and a password",
            handler=people.login,
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
            handler=people.add,
            tag="users",
            roles=STAFF,
            content="NewUser",
            replies={201: "User"},
            problems=(409, 507),
            takes=("Idempotency-Key",),
            links=following,
        ),
        Operation(
            id="getUser",
            method="GET",
            path=one,
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
            path=one,
            summary="Replace a user, or make one",
            handler=people.put,
            tag="users",
            roles=ANYONE,
            content="UserContent",
            replies={200: "User", 201: "User"},
            problems=(403, 404, 507),
            takes=conditional,
            links=following,
        ),
        Operation(
            id="removeUser",
            method="DELETE",
            path=one,
            summary="Remove a user",
            handler=removed,
            tag="users",
            roles=STAFF,
            replies={204: ""},
            problems=(404,),
            takes=conditional,
        ),
    )
