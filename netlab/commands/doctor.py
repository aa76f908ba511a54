"""What this machine lacks for the lab: ports, descriptors, addresses, the CA, tools; and what to type about it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from netlab.doctor import Finding, look

EXAMPLES = (
    ("netlab doctor", "what is missing, why it matters, what to type"),
    ("netlab doctor --all", "what is in order, too"),
    ("netlab doctor --json", "the same for programs"),
)
SIGNS = {"fine": "ok  ", "missing": "note", "wrong": "BAD "}


@dataclass(frozen=True, kw_only=True)
class Config:
    all: bool = False
    """Show what is in order, too."""
    json: bool = False
    """Print JSON."""


def run(config: Config) -> int:
    """1 if something is wrong that the lab needs; what is merely missing costs nothing but what it is for."""
    findings = look()
    if config.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print(page(findings, everything=config.all))
    return int(any(finding.state == "wrong" for finding in findings))


def page(findings: list[Finding], *, everything: bool) -> str:
    shown = [finding for finding in findings if everything or finding.state != "fine"]
    width = max((len(finding.what) for finding in shown), default=0)
    lines = []
    for finding in shown:
        lines.append(f"{SIGNS[finding.state]}  {finding.what:<{width}}  {finding.found}")
        if finding.state != "fine":
            lines += [f"{'':{width}}        {text}" for text in (finding.why, finding.remedy) if text]
    fine = sum(finding.state == "fine" for finding in findings)
    lines.append(f"{fine} of {len(findings)} checks are fine" + ("" if everything else " (--all shows them)"))
    return "\n".join(lines)
