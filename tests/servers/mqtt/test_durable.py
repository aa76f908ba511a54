"""What survives: a broker that is killed twenty times under load, and one that ends in peace."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from netlab.cores.mqtt_codes import NEVER, V5
from netlab.cores.mqtt_packets import (
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Suback,
    Subscribe,
    Will,
)
from netlab.errors import UsageError
from netlab.stores.mqtt import SESSIONS
from netlab.stores.opening import open_store
from tests.mortal import born, zygote
from tests.servers.mqtt.brokering import SECONDS, Client, serving

pytestmark = pytest.mark.one_loop
KILLS = 20
BURST = 12
"""Messages that a publisher has under way at once."""


class Publisher:
    """Says numbers, one after the other; each is said until it is acknowledged."""

    def __init__(self, qos: int) -> None:
        self.qos = qos
        self.next = 1
        self.said: dict[int, int] = {}  # packet identifier → number, PUBLISH not yet answered
        self.released: set[int] = set()
        self.acknowledged: list[int] = []

    def again(self) -> list[Packet]:
        """What a new connection begins with."""
        releases = [Pubrel(packet_id) for packet_id in sorted(self.released)]
        return [*releases, *(self._packet(packet_id, dup=True) for packet_id in self.said)]

    def more(self) -> list[Packet]:
        packets: list[Packet] = []
        while len(self.said) + len(self.released) < BURST:
            packet_id = next(
                number for number in range(1, 100) if number not in self.said and number not in self.released
            )
            self.said[packet_id] = self.next
            self.next += 1
            packets.append(self._packet(packet_id))
        return packets

    def _packet(self, packet_id: int, *, dup: bool = False) -> Publish:
        number = self.said[packet_id]
        return Publish(f"load/{self.qos}", b"%d" % number, self.qos, dup=dup, packet_id=packet_id)

    def heard(self, packet: Packet) -> list[Packet]:
        match packet:
            case Puback(packet_id=packet_id):
                self.acknowledged.append(self.said.pop(packet_id))
            case Pubrec(packet_id=packet_id):
                if packet_id in self.said:
                    self.acknowledged.append(self.said.pop(packet_id))  # from here on it is the broker's
                    self.released.add(packet_id)
                return [Pubrel(packet_id)]
            case Pubcomp(packet_id=packet_id):
                self.released.discard(packet_id)
        return []


class Subscriber:
    """Takes what comes, QoS 2 exactly once, and counts."""

    def __init__(self) -> None:
        self.got: Counter[tuple[str, int]] = Counter()
        self.held: set[int] = set()  # identifiers that are not released yet

    def heard(self, packet: Packet) -> list[Packet]:
        match packet:
            case Publish(qos=1):
                self.got[packet.topic, int(packet.payload)] += 1
                return [Puback(packet.packet_id)]
            case Publish(qos=2):
                if packet.packet_id not in self.held:
                    self.held.add(packet.packet_id)
                    self.got[packet.topic, int(packet.payload)] += 1
                return [Pubrec(packet.packet_id)]
            case Pubrel():
                self.held.discard(packet.packet_id)
                return [Pubcomp(packet.packet_id)]
        return []


async def dial(port: int, name: str, *, first: bool) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    connack = await client.connect(name, clean=False, session_expiry_interval=NEVER)
    assert connack.session_present is not first, name
    return client


async def converse(client: Client, side: Publisher | Subscriber, enough: asyncio.Event | None, limit: int) -> None:
    """Until the broker is gone, or so much was said that it may go."""
    count = 0
    if isinstance(side, Publisher):
        await client.send(*side.again())
        if enough is not None:
            await client.send(*side.more())
    try:
        while (packet := await client.receive()) is not None:
            answers = side.heard(packet)
            if isinstance(side, Publisher) and enough is not None:
                answers += side.more()
                count += 1
                if count >= limit:
                    enough.set()
            elif isinstance(side, Publisher) and not side.said and not side.released:
                return
            if answers:
                await client.send(*answers)
    except ConnectionError:
        return


async def test_a_broker_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    random = Random(9)
    subscriber, publishers = Subscriber(), [Publisher(1), Publisher(2)]
    sides: list[Publisher | Subscriber] = [subscriber, *publishers]
    async with zygote("servers.mqtt") as parent:
        for life in range(KILLS):
            pid, port = await born(parent, tmp_path / "mqtt.db")
            clients = [await dial(port, f"client {number}", first=life == 0) for number in range(3)]
            if life == 0:
                await clients[0].send(Subscribe(1, (Request("load/#", 2),)))
                await clients[0].expect(Suback)
            enough = asyncio.Event()
            talks = asyncio.gather(
                *(
                    converse(client, side, enough, random.randint(5, 60))
                    for client, side in zip(clients, sides, strict=True)
                )
            )
            async with asyncio.timeout(SECONDS):
                await enough.wait()
                os.kill(pid, signal.SIGKILL)
                await talks
            for client in clients:
                client.drop()
        pid, port = await born(parent, tmp_path / "mqtt.db")
        clients = [await dial(port, f"client {number}", first=False) for number in range(3)]
        reading = asyncio.gather(converse(clients[0], subscriber, None, 0))
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(converse(clients[n + 1], one, None, 0) for n, one in enumerate(publishers)))
            expected = {(f"load/{one.qos}", number) for one in publishers for number in range(1, one.next)}
            while set(subscriber.got) != expected or subscriber.held:
                await asyncio.sleep(0)
        for client in clients:
            client.drop()
        await reading
        os.kill(pid, signal.SIGKILL)
    assert len(publishers[0].acknowledged) > KILLS
    assert {count for (topic, _), count in subscriber.got.items() if topic == "load/2"} == {1}


async def test_what_a_broker_in_peace_leaves_to_the_next(tmp_path: Path) -> None:
    store = str(tmp_path / "mqtt.db")
    async with serving(store=store) as broker:
        client = await broker.client("one", session_expiry_interval=100)
        await client.subscribe(Request("a/#", 1), Request("$share/group/b", 2), subscription_identifier=7)
        await client.send(Disconnect())
        assert await client.closed()
        other = await broker.client("two")
        await other.publish(
            "a/b", b"kept", 1, packet_id=1, retain=True, content_type="text", message_expiry_interval=50
        )
        await other.publish("b", b"shared", 2, packet_id=2)
        assert len(await other.all_so_far()) == 2
        await other.send(Disconnect())
        assert await other.closed()
    async with serving(store=store) as broker:
        await broker.jump(20)
        client = await broker.client("one", clean=False, session_expiry_interval=100)
        packets = [packet for packet in await client.all_so_far() if isinstance(packet, Publish)]
        assert [(packet.topic, packet.payload, packet.qos, packet.properties) for packet in packets] == [
            (
                "a/b",
                b"kept",
                1,
                {"message_expiry_interval": 30, "subscription_identifier": [7], "content_type": "text"},
            ),
            ("b", b"shared", 2, {"subscription_identifier": [7]}),
        ]
        other = await broker.client("two")
        await other.subscribe("a/+")
        packet = await other.expect(Publish)
        assert (packet.payload, packet.retain) == (b"kept", True)
        await client.send(Puback(packets[0].packet_id), Pubrec(packets[1].packet_id))
        await client.expect(Pubrel)
        await client.send(Disconnect(0, {"session_expiry_interval": 0}))
        assert await client.closed()
        rows = broker.server.store.database.written(  # type: ignore[union-attr]  # there is a store
            lambda connection: [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("session", "subscription", "message", "delivery", "released", "received", "retained")
            ]
        )
        assert await rows == [0, 0, 0, 0, 0, 0, 1]
    async with serving(store=store) as broker:
        await broker.jump(200)
        client = await broker.client("one", clean=False, version=V5)
        assert client.connack is not None
        assert not client.connack.session_present


async def test_wills_that_outlive_the_broker(tmp_path: Path) -> None:
    """[MQTT-3.1.2-8]: a broker that was killed has cut its clients off; the next one publishes their wills."""
    async with zygote("servers.mqtt") as parent:
        pid, port = await born(parent, tmp_path / "mqtt.db")
        heir = await dial(port, "heir", first=True)
        await heir.send(Subscribe(1, (Request("will/#", 1),)))
        await heir.expect(Suback)
        gone = [await dial_with_will(port, "at once"), await dial_with_will(port, "late", will_delay_interval=3600)]
        gone.append(await dial_with_will(port, "well"))
        await gone[2].send(Disconnect())
        assert await gone[2].closed()
        os.kill(pid, signal.SIGKILL)
        for client in (heir, *gone):
            client.drop()
        await born(parent, tmp_path / "other.db")  # by then the first one has let go of its file
    async with serving(store=str(tmp_path / "mqtt.db")) as broker:
        heir = await broker.client("heir", clean=False, session_expiry_interval=1000)
        assert [packet.topic for packet in await heir.all_so_far() if isinstance(packet, Publish)] == ["will/at once"]
        late = await broker.client("late", clean=False)  # it is back, and says no more of a will
        await broker.jump(7200)
        assert await late.all_so_far() == []
        rows = broker.server.store.database.written(  # type: ignore[union-attr]  # there is a store
            lambda connection: connection.execute("SELECT count(*) FROM will").fetchone()[0]
        )
        assert await rows == 0


async def dial_with_will(port: int, name: str, **properties: int) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    will = Will(f"will/{name}", b"gone", 1, properties=properties)
    await client.connect(name, will=will, session_expiry_interval=10_000)
    return client


async def test_a_store_of_the_first_layout_is_taken_over(tmp_path: Path) -> None:
    """One of a broker that knew neither wills nor listeners."""
    opened = open_store(tmp_path / "mqtt.db", replace(SESSIONS, layout=SESSIONS.layout[:1]))
    opened.writer.execute("INSERT INTO session VALUES ('one', 'ada', 1e9, 9e999)")
    opened.writer.execute("INSERT INTO subscription VALUES ('one', 'a/#', 1, 0, 0, 0)")
    opened.close()
    async with serving(store=str(tmp_path / "mqtt.db")) as broker:
        client = broker.broker.clients["one"]
        assert (client.user, client.listener, list(client.session.subscriptions)) == ("ada", "tcp", ["a/#"])


async def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "mqtt.db").write_text("this is text, and has more than sixteen bytes")
    with pytest.raises(UsageError, match="--store"):
        async with serving(store=str(tmp_path / "mqtt.db")):
            pass
