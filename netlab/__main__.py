"""The `netlab` command, also as `python -m netlab`: nothing is loaded before Ctrl-C is safe."""

from __future__ import annotations

import signal


def main() -> int:
    """Until there is something to end, SIGINT ends the process at once, and not with the traceback of an import."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and not ignored, as behind nohup
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from netlab.cli import main as run

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
