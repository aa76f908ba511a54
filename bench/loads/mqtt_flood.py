"""Publishes to an MQTT broker and takes what it delivers, as fast as both go: a process of its own.

    python -m bench.loads.mqtt_flood HOST PORT SECONDS --qos N --publishers N --subscribers N [--window N]

Without a window each publisher has one message in flight: the next is sent when the subscriber has got it (QoS 0), or
the broker has acknowledged it (QoS 1). With one, the only publisher is at most so many messages ahead of the slowest
subscriber. Messages have 64 bytes. Prints `deliveries SECONDS`, or fails with what did not come.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import struct
import sys
import time

TOPIC, FILTER = b"bench/%04d", b"bench/+"
TOPICS = 1000
PAYLOAD = 64
STALL_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--qos", type=int, default=0)
    parser.add_argument("--publishers", type=int, default=1)
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("--window", type=int, default=0)
    parser.add_argument("--filters", type=int, default=0, help="subscriptions besides, none of which matches")
    parser.add_argument("--kept", action="store_true", help="the subscribers' sessions outlive their connections")
    options = parser.parse_args()
    flood = Flood(options.host, options.port, options.qos, options.publishers, options.subscribers, options.kept)
    if options.filters:
        flood.subscribe_besides(options.filters)
    deliveries, seconds = flood.run(options.seconds, options.window)
    print(f"{deliveries} {seconds:.6f}")
    return 0


def packet(qos: int, packet_id: int, publisher: int) -> bytes:
    """A PUBLISH of 3.1.1; its payload begins with whose it is."""
    identifier = struct.pack(">H", packet_id) if qos else b""
    topic = TOPIC % (packet_id % TOPICS)
    body = struct.pack(">H", len(topic)) + topic + identifier + struct.pack(">H", publisher).ljust(PAYLOAD, b".")
    return bytes((0x30 | qos << 1, len(body))) + body


class Flood:
    """All connections of the load, on one epoll."""

    def __init__(self, host: str, port: int, qos: int, publishers: int, subscribers: int, kept: bool) -> None:
        self.qos, self.size, self.address = qos, len(packet(qos, 1, 0)), (host, port)
        names = [b"%d.%d" % (os.getpid(), number) if kept else b"" for number in range(subscribers)]
        self.subscribers = [self._dial(host, port, name) for name in names]
        for connection in self.subscribers:
            connection.sendall(b"\x82" + bytes((5 + len(FILTER), 0, 1, 0, len(FILTER))) + FILTER + bytes((qos,)))
            self._expect(connection, b"\x90\x03\0\x01" + bytes((qos,)))
        self.publishers = [self._dial(host, port) for _ in range(publishers)]
        self.got = [0] * subscribers  # messages
        self.left = [b""] * subscribers  # of a packet that has not come whole
        self.acknowledged = 0  # bytes of PUBACKs
        self.poll = select.epoll()
        for connection in (*self.subscribers, *self.publishers):
            connection.setblocking(False)
            self.poll.register(connection, select.EPOLLIN)

    def subscribe_besides(self, count: int) -> None:
        """Filters with wildcards, on a connection of their own."""
        self.besides = self._dial(*self.address)
        for number in range(count):
            pattern = b"besides/%06d/+/#" % number
            body = struct.pack(">HH", number % 65_535 + 1, len(pattern)) + pattern + b"\0"
            self.besides.sendall(bytes((0x82, len(body))) + body)
            if number % 100 == 99 or number == count - 1:
                for back in range(number % 100, -1, -1):
                    self._expect(self.besides, b"\x90\x03" + struct.pack(">H", (number - back) % 65_535 + 1) + b"\0")

    def _dial(self, host: str, port: int, name: bytes = b"") -> socket.socket:
        """With a name, a session that is kept."""
        connection = socket.create_connection((host, port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"\0\x04MQTT\x04" + (b"\0" if name else b"\x02") + b"\0\0" + struct.pack(">H", len(name)) + name
        connection.sendall(b"\x10" + bytes((len(body),)) + body)
        self._expect(connection, b"\x20\x02\0\0")
        return connection

    def _expect(self, connection: socket.socket, answer: bytes) -> None:
        got = b""
        while len(got) < len(answer):
            piece = connection.recv(len(answer) - len(got))
            if not piece:
                raise SystemExit(f"the connection ended after {got!r}, where {answer!r} was awaited")
            got += piece
        if got != answer:
            raise SystemExit(f"{got!r} came, where {answer!r} was awaited")

    def run(self, seconds: float, window: int) -> tuple[int, float]:
        """Deliveries, and the time they took."""
        block = b"".join(packet(self.qos, number + 1, 0) for number in range(65_535)) if window else b""
        started = time.perf_counter()
        if window:
            self._pipelined(started + seconds, window, block)
        else:
            self._one_in_flight(started + seconds)
        return sum(self.got), time.perf_counter() - started

    def _one_in_flight(self, end: float) -> None:
        packets = [packet(self.qos, 1, number) for number in range(len(self.publishers))]
        sockets = {connection.fileno(): connection for connection in self.publishers}
        numbers = {connection.fileno(): number for number, connection in enumerate(self.publishers)}
        subscribers = {connection.fileno(): number for number, connection in enumerate(self.subscribers)}
        for number, connection in enumerate(self.publishers):
            connection.send(packets[number])
        while time.perf_counter() < end:
            for descriptor, _ in self._wait():
                number = subscribers.get(descriptor)
                if number is None:
                    if sockets[descriptor].recv(4096) and self.qos:
                        sockets[descriptor].send(packets[numbers[descriptor]])
                    continue
                data = self._receive(number)
                if not self.qos and number == 0:
                    at = self.size - PAYLOAD
                    for who in zip(data[at :: self.size], data[at + 1 :: self.size], strict=True):
                        self.publishers[who[0] << 8 | who[1]].send(packets[who[0] << 8 | who[1]])

    def _pipelined(self, end: float, window: int, block: bytes) -> None:
        """`block` is said over and over: it has every packet identifier once."""
        [publisher] = self.publishers
        sent = 0  # bytes
        subscribers = {connection.fileno(): number for number, connection in enumerate(self.subscribers)}
        while time.perf_counter() < end:
            room = (min(self.got) + window) * self.size - sent
            if self.qos:
                room = min(room, (self.acknowledged // 4 + window) * self.size - sent)
            if room >= window * self.size // 4:
                at = sent % len(block)
                try:
                    sent += publisher.send(block[at : at + min(room, 64 << 10)])
                except BlockingIOError:
                    pass
                busy = self.poll.poll(0)
            else:
                busy = self._wait()
            for descriptor, _ in busy:
                number = subscribers.get(descriptor)
                if number is None:
                    self.acknowledged += len(publisher.recv(64 << 10))
                else:
                    self._receive(number)

    def _wait(self) -> list[tuple[int, int]]:
        busy = self.poll.poll(STALL_SECONDS)
        if not busy:
            raise SystemExit(f"nothing came for {STALL_SECONDS:g} s, after {sum(self.got)} deliveries")
        return busy

    def _receive(self, number: int) -> bytes:
        """Whole packets of a subscriber, acknowledged where their QoS wants that."""
        connection = self.subscribers[number]
        data = self.left[number] + connection.recv(256 << 10)
        count = len(data) // self.size
        data, self.left[number] = data[: count * self.size], data[count * self.size :]
        self.got[number] += count
        if self.qos and count:
            at = self.size - PAYLOAD - 2
            answers = bytearray(b"\x40\x02\0\0" * count)
            answers[2::4], answers[3::4] = data[at :: self.size], data[at + 1 :: self.size]
            while answers:
                try:
                    del answers[: connection.send(answers)]
                except BlockingIOError:
                    select.select([], [connection], [], STALL_SECONDS)
        return data


if __name__ == "__main__":
    sys.exit(main())
