"""netlab itself, started the way a user starts it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.peers.behind import named
from bench.stage import Stage, Target, free_port
from netlab import __version__


@dataclass(frozen=True, kw_only=True)
class Netlab:
    """`netlab serve SERVICE`; `files` are made in a folder given as --root: names, and sizes or contents.

    `{upstream}` in a flag stands for the host and port of what is behind it.
    """

    service: str = "http"
    record: str = "summary"
    flags: tuple[str, ...] = ()
    tls: bool = False
    files: tuple[tuple[str, int | bytes], ...] = ()

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return f"netlab {__version__}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        flags = [named(flag, upstream) for flag in self.flags]
        command = ["-m", "netlab", "serve", self.service, "-q", "--record", self.record, *flags]
        command += ["--listen", f"127.0.0.1:{port}"]
        if self.tls:
            port = free_port()
            command += ["--tls", "--tls-listen", f"127.0.0.1:{port}"]
        for name, content in self.files:
            stage.file(f"root/{name}", content)
        if self.files:
            command += ["--root", str(stage.folder / "root")]
        own = {"NETLAB_STATE": str(stage.folder / "state"), "XDG_RUNTIME_DIR": str(stage.folder)}
        process = stage.python(command, environment=own)
        return Target(port=port, scheme="https" if self.tls else "http", processes=(process,))
