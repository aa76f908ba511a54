"""Which of a zone's servers to ask: the quickest mostly, others now and then, those that fail later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

FIRST_TRY = 0.4  # seconds waited for a server that was never asked
LEAST_WAIT, LONGEST_WAIT = 0.25, 3.0
NEW = 0.03  # seconds that a new server is taken to need: it is tried soon
SHARE_OF_NEW = 0.3  # how much a sample moves the mean (RFC 6298 has 1/8; a resolver asks more rarely)
EXPLORE = 0.05  # of the questions go to another than the best, so that one that has recovered is found
PAUSE, LONGEST_PAUSE = 2.0, 120.0  # seconds a server that has not answered three times running is let alone
PATIENCE = 3
MOST = 20_000


@dataclass(slots=True)
class Standing:
    """What is known of one address."""

    srtt: float = 0.0  # seconds; 0: never measured
    variance: float = 0.0
    silent: int = 0  # questions not answered since the last answer
    until: float = 0.0  # let alone until then
    noticed: float = float("-inf")  # when the last silence was counted
    edns: bool = True  # it knows EDNS, as far as is known


class ServerBook:
    """The standing of every address asked so far; those that have not answered for longest are forgotten first."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}
        self._lame: dict[tuple[str, bytes], float] = {}  # (address, zone) → until when

    def standing(self, address: str) -> Standing:
        known = self._standings.get(address)
        if known is None:
            known = self._standings[address] = Standing()
            if len(self._standings) > MOST:
                del self._standings[next(iter(self._standings))]
        return known

    def pick(self, addresses: Iterable[str], zone: bytes, now: float, chance: Callable[[], float]) -> str | None:
        """The address to ask next, or None if all of them are lame for this zone; `chance` gives numbers from 0 to 1.

        Those that were silent come after all others, but come: a zone whose servers are all silent is still asked.
        """
        usable = [address for address in addresses if now >= self._lame.get((address, zone), 0.0)]
        if len(usable) < 2:
            return usable[0] if usable else None
        awake = [address for address in usable if now >= self.standing(address).until] or usable
        if len(awake) > 1 and chance() < EXPLORE:
            return awake[int(chance() * len(awake)) % len(awake)]
        return min(awake, key=lambda address: self._expected(address) * (0.9 + 0.2 * chance()))

    def all_silent(self, addresses: Iterable[str], now: float) -> bool:
        """Whether all of them are let alone for a while."""
        return all(now < self.standing(address).until for address in addresses)

    def _expected(self, address: str) -> float:
        standing = self.standing(address)
        return (standing.srtt or NEW) * (1 << min(standing.silent, 6))

    def wait(self, address: str) -> float:
        """How long to wait for this address, in seconds: its mean and four deviations, doubled by each silence."""
        standing = self.standing(address)
        usual = standing.srtt + 4 * standing.variance if standing.srtt else FIRST_TRY
        return min(max(usual, LEAST_WAIT) * (1 << min(standing.silent, 4)), LONGEST_WAIT)

    def answered(self, address: str, rtt: float) -> None:
        standing = self.standing(address)
        self._standings[address] = self._standings.pop(address)
        if standing.srtt:
            standing.variance += 0.25 * (abs(rtt - standing.srtt) - standing.variance)
            standing.srtt += SHARE_OF_NEW * (rtt - standing.srtt)
        else:
            standing.srtt, standing.variance = max(rtt, 0.0001), rtt / 2
        standing.silent, standing.until = 0, 0.0

    def silent(self, address: str, now: float, waited: float) -> None:
        """It has not answered a question that was waited for so long; those asked at the same time count as one."""
        standing = self.standing(address)
        if now - waited < standing.noticed:
            return
        standing.noticed = now
        standing.silent += 1
        if standing.silent >= PATIENCE:
            standing.until = now + min(PAUSE * (1 << min(standing.silent - PATIENCE, 6)), LONGEST_PAUSE)

    def lame(self, address: str, zone: bytes, now: float, seconds: float = 300.0) -> None:
        """It does not serve this zone, though it is said to (RFC 8499: lame delegation)."""
        self._lame[address, zone] = now + seconds
        if len(self._lame) > MOST:
            del self._lame[next(iter(self._lame))]
