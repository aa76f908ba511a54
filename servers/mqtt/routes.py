"""Whom a topic leads to: matching subscriptions merged per client, and remembered until a subscription changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from netlab.cores.mqtt_session import Subscription
from netlab.cores.mqtt_topics import FilterTree, shared
from servers.mqtt.client import Client

MOST_ROUTES = 50_000
"""Topics whose subscribers are remembered."""


class Way(NamedTuple):
    """How one client gets the messages of a topic: one copy, at the best of its matching subscriptions (3.3.4)."""

    client: Client
    qos: int
    retain_as_published: bool
    identifiers: tuple[int, ...]
    no_local: bool = False  # then its own messages go the way `own`
    own: Way | None = None


class Rights(Protocol):
    """Who may get (`r`) and publish (`w`) what."""

    def may(self, wish: str, client: Client, topic: str) -> bool: ...

    def may_subscribe(self, client: Client, pattern: str) -> bool: ...


class Group:
    """A shared subscription: each message goes to one of its members, in turn (4.8.2)."""

    __slots__ = ("filter", "members")

    def __init__(self, filter: str) -> None:  # noqa: A002  what it is called
        self.filter = filter  # with $share/GROUP/ before it
        self.members: dict[str, tuple[Client, Subscription]] = {}  # who was picked longest ago comes first

    def pick(self, topic: str, rights: Rights | None = None) -> tuple[Client, Subscription] | None:
        """Whose turn it is: who is connected and has room, else who is connected, else who has a session."""
        connected = away = ""
        for name, (client, _) in self.members.items():
            if rights is not None and not rights.may("r", client, topic):
                continue
            away = away or name
            link = client.link
            if link is not None:
                if client.session.in_flight < client.session.window and not link.writing_paused:
                    return self._picked(name)
                connected = connected or name
        name = connected or away
        return self._picked(name) if name else None

    def _picked(self, name: str) -> tuple[Client, Subscription]:
        member = self.members[name] = self.members.pop(name)
        return member


class Route(NamedTuple):
    """All that a topic leads to."""

    ways: tuple[Way, ...]
    groups: tuple[Group, ...]
    refused: tuple[str, ...] = ()  # clients that have subscribed to it, and may not read it


class Subscriber(NamedTuple):
    """One subscription in the tree."""

    client: Client
    subscription: Subscription


class Routes:
    """The subscriptions of all clients, by topic filter, and the routes that were asked for."""

    def __init__(self, rights: Rights | None = None) -> None:
        self._rights = rights
        self._filters: FilterTree[Subscriber | Group] = FilterTree()
        self._known: dict[str, Route] = {}
        self._groups: dict[str, Group] = {}
        self.count = 0  # subscriptions, shared ones too

    def find(self, topic: str) -> Route:
        route = self._known.get(topic)
        if route is None:
            if len(self._known) >= MOST_ROUTES:
                self._known.clear()
            route = self._known[topic] = self._search(topic)
        return route

    def _search(self, topic: str) -> Route:
        found: dict[str, list[Subscriber]] = {}
        groups: list[Group] = []
        refused: dict[str, None] = {}
        for values in self._filters.match(topic):
            for key, value in values.items():
                if isinstance(value, Group):
                    groups.append(value)
                elif self._rights is None or self._rights.may("r", value.client, topic):
                    found.setdefault(key, []).append(value)
                else:
                    refused[key] = None
        return Route(tuple(_way(subscribers) for subscribers in found.values()), tuple(groups), tuple(refused))

    def add(self, client: Client, pattern: str, subscription: Subscription) -> None:
        """A new subscription, or another one in place of an old one [MQTT-3.8.4-3]."""
        known = client.session.subscriptions.get(pattern) == subscription
        self.count += pattern not in client.session.subscriptions
        client.session.subscriptions[pattern] = subscription
        if client.kept is not None and not known:
            client.kept.subscribed(client.client_id, pattern, subscription)
        self._put(client, pattern, subscription)

    def restore(self, client: Client) -> None:
        """The subscriptions of a session that was kept."""
        for pattern, subscription in client.session.subscriptions.items():
            self.count += 1
            self._put(client, pattern, subscription)

    def _put(self, client: Client, pattern: str, subscription: Subscription) -> None:
        share = shared(pattern)
        if share is None:
            self._filters.put(pattern, client.client_id, Subscriber(client, subscription))
            self._forget(pattern)
            return
        group = self._groups.get(pattern)
        if group is None:
            group = self._groups[pattern] = Group(pattern)
            self._filters.put(share.pattern, pattern, group)
            self._forget(share.pattern)
        group.members[client.client_id] = (client, subscription)

    def remove(self, client: Client, pattern: str) -> bool:
        """Whether there was such a subscription."""
        if client.session.subscriptions.pop(pattern, None) is None:
            return False
        self.count -= 1
        if client.kept is not None:
            client.kept.unsubscribed(client.client_id, pattern)
        share = shared(pattern)
        if share is None:
            self._filters.remove(pattern, client.client_id)
            self._forget(pattern)
            return True
        group = self._groups[pattern]
        group.members.pop(client.client_id, None)
        if not group.members:
            del self._groups[pattern]
            self._filters.remove(share.pattern, pattern)
            self._forget(share.pattern)
        return True

    @property
    def shared_count(self) -> int:
        return sum(len(group.members) for group in self._groups.values())

    def group(self, pattern: str) -> Group | None:
        return self._groups.get(pattern)

    def forget(self) -> None:
        """Somebody's rights are others now."""
        self._known.clear()

    def _forget(self, pattern: str) -> None:
        """The routes that this filter may be part of."""
        if "+" in pattern or "#" in pattern:
            self._known.clear()
        else:
            self._known.pop(pattern, None)


def _way(subscribers: Sequence[Subscriber]) -> Way:
    """One client's matching subscriptions as one."""
    foreign = [subscriber for subscriber in subscribers if not subscriber.subscription.no_local]
    if len(foreign) == len(subscribers):
        return _merged(subscribers)
    return _merged(subscribers)._replace(no_local=True, own=_merged(foreign) if foreign else None)


def _merged(subscribers: Sequence[Subscriber]) -> Way:
    subscriptions = [subscriber.subscription for subscriber in subscribers]
    return Way(
        subscribers[0].client,
        max(subscription.qos for subscription in subscriptions),
        any(subscription.retain_as_published for subscription in subscriptions),
        tuple(subscription.identifier for subscription in subscriptions if subscription.identifier),
    )
