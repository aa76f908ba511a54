"""The `netlab` command: finds what was asked for by name, reads its settings, runs it, and ends with an honest code."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from netlab import __version__, rooms
from netlab.errors import NetlabError, UsageError

FINE, FAILED, WRONG_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code: 0 fine, 1 what was asked about failed, 2 wrong usage."""
    open_standard_streams()
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _say(error, WRONG_USAGE)
    except NetlabError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt:
        return 130  # what a shell reports for a program ended by SIGINT
    except BrokenPipeError:
        # the reader (`head`) has what it wanted; without this, the interpreter's own flush at exit would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _confess(error)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  what is still to be said has no place to go
        return _say(NetlabError("what was to be printed could not be written: no space left"), FAILED)
    except Exception as error:  # the edge of the program: a bug becomes one sentence, its traceback only on demand
        return _confess(error)


def open_standard_streams() -> None:
    """Whoever starts us may have closed 0, 1 or 2 (`>&-`): a socket must not get one of these numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  open as long as we are


def _confess(error: Exception) -> int:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    print(
        f"netlab: a bug in netlab: {type(error).__name__}: {error} ({where}); "
        "run it again with NETLAB_DEBUG=1 and report what that shows",
        file=sys.stderr,
    )
    if os.environ.get("NETLAB_DEBUG"):
        traceback.print_exception(error)
    return FAILED


def _say(error: NetlabError, code: int) -> int:
    sys.stdout.flush()
    print(f"netlab: {error}", file=sys.stderr)
    if os.environ.get("NETLAB_DEBUG"):
        traceback.print_exc()
    return code


def run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return FINE
    name, rest = arguments[0], arguments[1:]
    if name in ("--version", "-V"):
        print(f"netlab {__version__}")
        return FINE
    entry = rooms.commands().get(name) or rooms.clients().get(name)
    if entry is None:
        from netlab.config.sources import nearest

        hint = nearest(name, [*rooms.commands(), *rooms.clients()]) or "; `netlab --help` shows what there is"
        if name in rooms.services():
            hint = f"; did you mean `netlab serve {name}`?"
        raise UsageError(f"there is no command {name!r}{hint}")
    module = entry.load()
    if hasattr(module, "ACTIONS"):  # several commands under one name, each a module
        return _run_action(name, module, rest)
    if hasattr(module, "main"):  # a command whose settings are not known before it has looked at its arguments
        return int(module.main(rest))
    return run_module(name, module, rest)


def _run_action(name: str, module: ModuleType, arguments: list[str]) -> int:
    """`netlab NAME ACTION …`: ACTIONS says which module each action is."""
    actions: Mapping[str, str] = module.ACTIONS
    if not arguments or arguments[0] in ("--help", "-h"):
        width = max(map(len, actions))
        lines = [f"  {action:<{width}}  {first_line(import_module(where))}" for action, where in actions.items()]
        print("\n".join([f"Usage: netlab {name} ACTION [flags]      (every action has --help)", "", *lines]))
        return FINE
    action, *rest = arguments
    if action not in actions:
        from netlab.config.sources import nearest

        hint = nearest(action, actions) or f"; there are: {', '.join(actions)}"
        raise UsageError(f"netlab {name} has no action {action!r}{hint}")
    return run_module(f"{name} {action}", import_module(actions[action]), rest)


def run_module(name: str, module: ModuleType, arguments: Sequence[str]) -> int:
    """Run a command's or client's `run(config)` with the settings from flags and environment."""
    from netlab.config.command_line import CommandLine, Part, read, wants_help
    from netlab.config.help import help_text
    from netlab.config.sources import build, from_environment

    line = CommandLine(
        name=f"netlab {name}",
        summary=first_line(module),
        parts=(Part(config=module.Config, heading="Settings", table=name),),
        examples=getattr(module, "EXAMPLES", ()),
    )
    if wants_help(arguments):
        print(help_text(line))
        return FINE
    flags = read(line, arguments)
    config = build(module.Config, from_environment(module.Config, name, os.environ), flags, command=line.name)
    known: dict[str, Any] = {}
    if "addresses" in inspect.signature(module.run).parameters:  # a client: the lab's names are known to it
        from netlab.control.client import lab_addresses

        known["addresses"] = lab_addresses
    if "flow" in inspect.signature(module.run).parameters:  # a client that shows what a lab has recorded
        from netlab.control.client import lab_flow

        known["flow"] = lab_flow
    if "services" in inspect.signature(module.run).parameters:  # a client that wants a service for a while
        from netlab.lab.alone import alone

        known["services"] = alone
    result: Any = module.run(config, **known)
    if not inspect.iscoroutine(result):
        return int(result)
    if (loop := getattr(module, "LOOP", "asyncio")) == "asyncio":
        return wait_for(result)
    from netlab.lab.process import loop_factory

    return wait_for(result, loop_factory(loop))


def wait_for(work: Coroutine[Any, Any, int], make_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> int:
    """Run it to its end. Ctrl-C while the loop is made waits until it is: half a loop would complain at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with asyncio.Runner(loop_factory=make_loop) as runner:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return int(runner.run(work))
        finally:
            work.close()  # what never began would complain, too


def first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().split("\n")[0]


def overview() -> str:
    """What there is, from the folders: commands and clients with their first lines, services by name."""
    commands = {name: entry.summary for name, entry in rooms.commands().items()}
    clients = {name: entry.summary for name, entry in rooms.clients().items() if name not in commands}
    width = max(map(len, (*commands, *clients)), default=0)

    def table(entries: dict[str, str]) -> list[str]:
        return [f"  {name:<{width}}  {what}" for name, what in entries.items()]

    lines = [
        "netlab: the internet on your laptop, running and visible.",
        "",
        "Usage: netlab COMMAND [flags]      (every command has --help)",
        "",
        "Commands:",
        *table(commands),
        *(["", "Clients:", *table(clients)] if clients else []),
        "",
        f"Services (netlab serve NAME): {', '.join(rooms.services())}",
        "",
        "Examples:",
        "  netlab up                      the lab, in the foreground",
        "  netlab serve http --root .     this folder over HTTP",
        "  netlab watch                   what happens in it, from another terminal",
    ]
    return "\n".join(lines)
