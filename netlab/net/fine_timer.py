"""A timer that rings to some ten microseconds: the event loop's own know only milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

CLOCK_MONOTONIC = 1
NONBLOCK, CLOEXEC, ABSOLUTE = 0o4000, 0o2000000, 1  # sys/timerfd.h, as on every Linux Python runs on
SECOND = 1_000_000_000  # ns


_C = ctypes.CDLL(None)


class _Spec(ctypes.Structure):
    """struct itimerspec: the interval, which is not used, and when it rings; 0 and 0: never."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class FineTimer:
    """Calls `ring` once each time it was set, at a time of `time.monotonic()`; where there is no timerfd, the loop's
    own timers do it.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._spec = _Spec()
        self._handle: asyncio.TimerHandle | None = None
        self._descriptor = _create()
        if self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._ready)

    def set(self, at: float) -> None:
        """Ring then, or soon where that is past; what was set before is forgotten."""
        if self._descriptor < 0:
            self._set_handle(at)
            return
        spec = self._spec
        spec.seconds, spec.nanoseconds = divmod(max(int(at * SECOND), 1), SECOND)
        _C.timerfd_settime(self._descriptor, ABSOLUTE, ctypes.byref(spec), None)

    def _set_handle(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(at - time.monotonic(), self._ring)

    def _ready(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # it was set anew meanwhile
            return
        self._ring()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def _create() -> int:
    if sys.platform != "linux":
        return -1
    try:
        return int(_C.timerfd_create(CLOCK_MONOTONIC, NONBLOCK | CLOEXEC))
    except AttributeError:  # a C library without it
        return -1
