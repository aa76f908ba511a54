"""What could come next on a command line: commands, services, flags and the values that a flag allows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from netlab import rooms
from netlab.config import settings
from netlab.lab.options import ServeOptions

SCRIPTS = {
    "bash": """_netlab() {
    local IFS=$'\\n'
    COMPREPLY=($(netlab completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [ "${#COMPREPLY[@]}" -eq 0 ] && compopt -o default
}
complete -F _netlab netlab
""",
    "zsh": """#compdef netlab
_netlab() {
    local -a found
    found=(${(f)"$(netlab completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _netlab netlab
""",
    "fish": """complete -c netlab \\
    -a '(netlab completion words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}


def candidates(words: Sequence[str]) -> list[str]:
    """What the last of the words could become; the words are those behind `netlab`."""
    *before, last = words or [""]
    return sorted(found for found in _known(before, last) if found.startswith(last))


def _known(before: Sequence[str], last: str) -> list[str]:
    if not before:
        return [*rooms.commands(), *rooms.clients(), "--help", "--version"]
    name, *rest = before
    if name in ("serve", "up") and not last.startswith("-"):
        named = [word for word in rest if word in rooms.services()]
        if name == "up" or not named:
            return list(rooms.services())
    kinds = _configs(name, rest)
    known = [setting for kind in kinds for setting in settings(kind)]
    for setting in known:
        if rest and rest[-1] in setting.flags and not setting.switch:
            return list(setting.kind.choices)
    if last.startswith("-"):
        switches = [setting.negative for setting in known if setting.switch]
        return [flag for setting in known for flag in setting.flags] + switches + ["--help"]
    actions = getattr(_module(name), "ACTIONS", {}) if not rest else {}
    return [*actions, *(choice for setting in known if setting.positional for choice in setting.kind.choices)]


def _configs(name: str, rest: Sequence[str]) -> list[type[Any]]:
    """The dataclasses whose settings a command takes."""
    if name == "serve":
        service = next((rooms.services()[word] for word in rest if word in rooms.services()), None)
        return [service.load().Config, ServeOptions] if service is not None else [ServeOptions]
    module = _module(name)
    actions = getattr(module, "ACTIONS", {})
    if actions and rest and rest[0] in actions:
        module = import_module(actions[rest[0]])
    return [module.Config] if hasattr(module, "Config") else []


def _module(name: str) -> Any:
    entry = rooms.commands().get(name) or rooms.clients().get(name)
    return entry.load() if entry is not None else None
