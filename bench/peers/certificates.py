"""A certificate for peers of the same kind as netlab's own: P-256, a leaf and the local authority above it."""

from __future__ import annotations

from pathlib import Path

from bench.stage import Stage
from netlab.net.certs import DEFAULT_NAMES, Authority


def chain_and_key(stage: Stage) -> tuple[Path, Path]:
    leaf = Authority.load(stage.folder).leaf(DEFAULT_NAMES)
    return stage.write("chain.pem", leaf.chain), stage.write("key.pem", leaf.key)
