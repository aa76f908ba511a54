"""One service alone: `netlab serve NAME`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from netlab import rooms
from netlab.config.command_line import CommandLine, Part, read, wants_help
from netlab.config.help import help_text
from netlab.errors import UsageError
from netlab.lab.options import ServeOptions, Sources, service
from netlab.lab.process import run
from netlab.lab.reload import Reader, Table
from netlab.service import Context, Service


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        raise UsageError(f"netlab serve needs the NAME of a service\n\n{overview()}")
    if arguments[0] in ("--help", "-h"):
        print(overview())
        return 0
    name, *rest = arguments
    module = service(name).load()
    line = CommandLine(
        name=f"netlab serve {name}",
        summary=(module.__doc__ or "").split("\n")[0],
        parts=(
            Part(config=module.Config, heading=name, table=name, in_file=True),
            Part(config=ServeOptions, heading="lab", table="lab", in_file=True),
        ),
        examples=getattr(module, "EXAMPLES", ()),
    )
    if wants_help(rest):
        print(help_text(line))
        return 0
    given = read(line, rest)
    sources, reader = Sources(line.name, given), Reader(command=line.name, given=given, tables=(Table(name=name),))
    options, config = sources.settle(ServeOptions, "lab"), sources.settle(module.Config, name)
    if options.workers > 1:
        with sources.placed(module.Config, name):
            return _run_workers(name, module, options, config, reader)

    def make(context: Context) -> Service:
        with sources.placed(module.Config, name):
            server: Service = module.Server(config, context)
            return server

    return run(name, options, {name: make}, reader=reader)


def _run_workers(name: str, module: ModuleType, options: ServeOptions, config: Any, reader: Reader) -> int:
    if not getattr(module, "WORKERS", True):
        raise UsageError(f"--workers {options.workers}: {name} runs as one process")
    from netlab.lab import workers

    return workers.run(options.workers, name, config, options, reader)


def overview() -> str:
    """The services, a line each."""
    known = rooms.services()
    width = max(map(len, known), default=0)
    lines = [f"  {name:<{width}}  {entry.summary}" for name, entry in known.items()]
    return "\n".join(["Usage: netlab serve NAME [flags]", "", "Services:", *lines, "", *EPILOGUE])


EPILOGUE = (
    "`netlab serve NAME --help` shows a service's flags.",
    "",
    "Examples:",
    "  netlab serve http --root .          this folder over HTTP",
    "  netlab serve http --listen :0 -q    any free port, no line per request",
)
