"""Flags and arguments of one command line, read by cyclopts; its errors in our words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

from cyclopts import App, Parameter
from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.token import Token

from netlab.config import Setting
from netlab.config.command_line import CommandLine
from netlab.config.sources import nearest, parse
from netlab.config.values import kind_of
from netlab.errors import UsageError


def read_flags(line: CommandLine, arguments: Sequence[str]) -> dict[str, Any]:
    """The values of the flags and arguments that were given, by field name; UsageError in one sentence."""
    app = _app(line)
    try:
        _, bound, _ = app.parse_args(
            _dashes_tied(line, arguments), exit_on_error=False, print_error=False, verbose=False
        )
    except CycloptsError as error:
        _explain(line, error)
    return dict(bound.arguments)


def _dashes_tied(line: CommandLine, arguments: Sequence[str]) -> list[str]:
    """`--read -` as `--read=-`, `inspect -` as `inspect -- -`: cyclopts takes a dash that stands alone for a flag."""
    takes_value = {name for setting in line.settings() if not setting.switch for name in setting.flags}
    tied: list[str] = []
    alone: list[str] = []
    for argument in arguments:
        if argument != "-" or "--" in tied:
            tied.append(argument)
        elif tied and tied[-1] in takes_value:
            tied[-1] += "=-"
        else:
            alone.append(argument)
    return [*tied, "--", *alone] if alone and "--" not in tied else tied + alone


def _app(line: CommandLine) -> App:
    def command(**_values: Any) -> None: ...

    parameters = sorted(
        map(_parameter, line.settings()), key=lambda parameter: parameter.kind
    )  # arguments before flags
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # cyclopts reads the signature
    app = App(name=line.name, help_flags=(), version_flags=())
    app.default(command)
    return app


def _parameter(setting: Setting) -> inspect.Parameter:
    options: dict[str, Any] = {"converter": _converter(setting), "negative_iterable": ()}
    if not setting.positional:
        options["name"] = setting.flags
    if setting.switch:
        options["negative"] = setting.negative
    elif setting.kind is kind_of(str) and not setting.positional:
        options["allow_leading_hyphen"] = True  # text is whatever follows its flag: `-o -`, `-d -1`
    annotation: Any = bool if setting.switch else tuple[str, ...] if setting.many else str
    kind = inspect.Parameter.POSITIONAL_ONLY if setting.positional else inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting.name, kind, default=None, annotation=Annotated[annotation, Parameter(**options)])


def _converter(setting: Setting) -> Callable[[Any, Sequence[Any]], Any]:
    def convert(_hint: Any, tokens: Sequence[Any]) -> Any:
        values = tuple(parse(setting.kind, token.value, token.keyword or setting.name.upper()) for token in tokens)
        return values if setting.many else values[0]

    return convert


def _explain(line: CommandLine, error: CycloptsError) -> NoReturn:
    """cyclopts' errors in our words: one sentence that names the flag and what is allowed."""
    by_name = {setting.name: setting for setting in line.settings()}
    match error:
        case UnknownOptionError():
            flag = (error.token.keyword or error.token.value).partition("=")[0]
            known = [name for setting in by_name.values() if not setting.positional for name in setting.flags]
            sentence = f"{line.name} has no flag {flag}{nearest(flag, [*known, '--help'])}"
        case RepeatArgumentError():
            sentence = f"{error.token.keyword} is given twice; it takes one value"
        case MissingArgumentError() if error.argument is not None:
            setting = by_name[error.argument.field_info.name]
            sentence = f"{error.keyword or setting.flags[0]} needs a value: {setting.kind.allowed}"
        case CoercionError(token=Token() as token) if error.argument is not None:  # `--quiet=maybe`
            sentence = f"{token.keyword} {token.value!r} is not {by_name[error.argument.field_info.name].kind.allowed}"
        case UnusedCliTokensError() if error.unused_tokens:
            takes = [setting.name.upper() for setting in by_name.values() if setting.positional]
            sentence = f"{line.name} takes {' '.join(takes) or 'no arguments'}, and not {error.unused_tokens[0]!r}"
        case _:
            sentence = " ".join(str(error).split())
    raise UsageError(sentence) from None
