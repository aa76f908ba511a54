"""Squid, as a forward proxy that keeps nothing: one process, everything it writes inside the stage's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from bench.stage import Stage, Target, free_port

CONFIGURATION = """\
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 0 MB
access_log none
cache_log {folder}/cache.log
cache_store_log none
netdb_filename none
pid_filename {folder}/squid.pid
coredump_dir {folder}
visible_hostname bench.test
pinger_enable off
max_filedescriptors 20000
shutdown_lifetime 0 seconds
buffered_logs on
"""


@dataclass(frozen=True, kw_only=True)
class Squid:
    def missing(self) -> str:
        return "" if shutil.which("squid") else "squid (package squid)"

    def version(self) -> str:
        said = subprocess.run(["squid", "-v"], capture_output=True, text=True, check=True).stdout
        return f"squid {said.splitlines()[0].rpartition(' ')[2]}"

    def start(self, stage: Stage, upstream: Target | None = None) -> Target:
        port = free_port()
        path = stage.write("squid.conf", CONFIGURATION.format(port=port, folder=stage.folder))
        command = ["squid", "-N", "-n", f"bench{port}", "-f", str(path)]  # the name is that of its shared memory
        if os.geteuid() == 0:  # it refuses to run as root; a change of user forgets whose end is to be its own
            stage.folder.chmod(0o777)
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM", *command]
        return Target(port=port, processes=(stage.start(command),))
