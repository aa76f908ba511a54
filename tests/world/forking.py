"""A process with all of netlab loaded, which forks for each command that is asked for: many commands, loaded once.

Started as `python forking.py SOCKET`. A caller sends arguments, folder, environment and its standard streams, and gets
the exit code; when it goes away before, the command is interrupted, as by Ctrl-C. `python forking.py SOCKET ask …` is
such a caller, for shells.
"""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

CLONE_NEWNET = 0x40000000
INTERRUPTED = 130


def ask(
    place: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str], streams: Sequence[int]
) -> socket.socket:
    """Begin a command; streams are 0, 1, 2 and the network namespace it runs in. The socket gives its exit code."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(place)
    text = json.dumps({"arguments": list(arguments), "folder": folder, "environment": dict(environment)})
    connection.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
    return connection


def serve(place: str) -> None:
    """Until killed: a fork for each caller, and in it one for the command."""
    load()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until a command is what it should be
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen(100)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                accompany(connection)
                os._exit(0)
            connection.close()


def load() -> None:
    from importlib import import_module

    import uvloop  # noqa: F401  what commands load when they run

    import netlab.config.help  # noqa: F401
    from netlab import rooms

    for listed in (rooms.commands(), rooms.clients(), rooms.services()):
        for entry in listed.values():
            for where in getattr(entry.load(), "ACTIONS", {}).values():
                import_module(where)
    gc.collect()
    gc.freeze()  # forks leave it shared


def accompany(connection: socket.socket) -> None:
    """One command: start it, tell how it ended, end it when nobody waits for it any more."""
    text, control, _, _ = connection.recvmsg(1 << 17, 1024)
    streams = array.array("i", control[0][2])
    asked = json.loads(text)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        connection.close()
        become(asked["arguments"], asked["folder"], asked["environment"], streams)
    try:
        os.setpgid(child, child)  # as shells do, in both, because either may be first
    except PermissionError:
        pass  # the child was, and is a program already
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    select.select([ended, connection], [], [])
    if not select.select([ended], [], [], 0)[0]:
        os.killpg(child, signal.SIGINT)
        if not select.select([ended], [], [], 10)[0]:
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    try:
        connection.send(str(code).encode())
    except BrokenPipeError:
        pass  # a shell's `netlab` that was ended before


def become(arguments: list[str], folder: str, environment: dict[str, str], streams: Sequence[int]) -> None:
    """Be the command, in its folder, environment, streams and network."""
    from netlab.cli import main

    *standard, network = streams
    if ctypes.CDLL(None, use_errno=True).setns(network, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, name in zip((0, 1, 2), ("stdin", "stdout", "stderr"), strict=True):
        setattr(sys, name, open(stream, "w" if stream else "r", buffering=1))  # noqa: SIM115  for the process's life
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = arguments
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if arguments[0] == "netlab":
            code = main(arguments[1:])
            sys.stdout.flush()
        else:
            os.execvp(arguments[0], arguments)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        print(error, file=sys.stderr)
        code = 127
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[2:3] == ["ask"]:
        with open("/proc/self/ns/net") as here:
            waiting = ask(sys.argv[1], ["netlab", *sys.argv[3:]], os.getcwd(), os.environ, (0, 1, 2, here.fileno()))
        sys.exit(int(waiting.recv(100) or INTERRUPTED))
    serve(sys.argv[1])
