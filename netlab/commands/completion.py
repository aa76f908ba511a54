"""Shell completion: the script for bash, zsh or fish, and what it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from netlab.completion import SCRIPTS, candidates
from netlab.config import positional

EXAMPLES = (
    ('eval "$(netlab completion bash)"', "in ~/.bashrc"),
    ('eval "$(netlab completion zsh)"', "in ~/.zshrc, behind compinit"),
    ("netlab completion fish > ~/.config/fish/completions/netlab.fish", "for fish"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    shell: Annotated[Literal["bash", "zsh", "fish", "words"], positional]
    """The shell; `words` says what could come next behind the words given."""
    words: Annotated[tuple[str, ...], positional] = ()
    """For words: what stands behind `netlab` so far, the last of them unfinished."""


def run(config: Config) -> int:
    if config.shell == "words":
        print("\n".join(candidates(config.words)))
    else:
        print(SCRIPTS[config.shell], end="")
    return 0
