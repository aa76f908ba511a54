"""Settings: every source, their order, and the sentence for everything that can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.config import Address, Count, Duration, Flag, Port, Size, UnixAddress, docs, positional, settings
from netlab.config.command_line import CommandLine, Part, read, wants_help
from netlab.config.help import help_text
from netlab.config.sources import Toml, build, from_environment
from netlab.config.values import kind_of
from netlab.errors import UsageError
from netlab.rooms import services
from netlab.units import parse_duration, parse_size, write_duration, write_size


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True, kw_only=True)
class Config:
    url: Annotated[str, positional]
    """Where to."""
    listen: Address = Address("127.0.0.1", 8080)
    """Where to listen."""
    to: tuple[Address, ...] = ()
    """Upstreams."""
    quiet: Annotated[bool, Flag("-q")] = False
    """Say nothing."""
    endpoints: bool = True
    """Answer the built-in paths,
    all of them.
    """
    timeout: Duration = 30.0
    max_body: Size = 1 << 20
    workers: Count = 1
    port: Port = 0
    root: Path | None = None
    record: Literal["off", "summary", "full"] = "summary"
    mode: Mode = Mode.FAST
    seed: int | None = None
    rate: float = 1.5
    old: Annotated[bool, Flag("--http1.0")] = False
    socket: Address | UnixAddress = Address()


LINE = CommandLine(
    name="netlab probe",
    summary="Probe something",
    parts=(Part(config=Config, heading="probe", table="probe", in_file=True),),
    examples=(("netlab probe x", "probes x"),),
)
TABLES = ("probe", "http", "http-proxy", "lab")


def flags(*arguments: str) -> dict[str, Any]:
    return read(LINE, arguments)


def settled(arguments: tuple[str, ...] = (), environ: dict[str, str] | None = None, toml: Toml | None = None) -> Config:
    from_file = toml.values(Config, "probe") if toml else {}
    return build(
        Config, from_file, from_environment(Config, "probe", environ or {}), flags(*arguments), command=LINE.name
    )


def load(tmp_path: Path, text: str) -> Toml:
    path = tmp_path / "lab.toml"
    path.write_bytes(text.encode())
    return Toml.load(path)


# -- what is understood ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--listen", "localhost:0"], "listen", Address("localhost", 0)),
        (["--listen=[::1]:8080"], "listen", Address("::1", 8080)),
        (["--listen", ":81"], "listen", Address("127.0.0.1", 81)),
        (["--listen", "82"], "listen", Address("127.0.0.1", 82)),
        (["--to", "a:1", "--to", "b:2"], "to", (Address("a", 1), Address("b", 2))),
        (["--to", "a:1"], "to", (Address("a", 1),)),
        (["-q"], "quiet", True),
        (["--quiet"], "quiet", True),
        (["--no-quiet"], "quiet", False),
        (["--no-endpoints"], "endpoints", False),
        (["--timeout", "500ms"], "timeout", 0.5),
        (["--timeout", "1h30m"], "timeout", 5400.0),
        (["--max-body", "64KiB"], "max_body", 65536),
        (["--max-body", "10MB"], "max_body", 10_000_000),
        (["--max-body", "1g"], "max_body", 1 << 30),
        (["--root", "/srv"], "root", Path("/srv")),
        (["--root", "none"], "root", None),
        (["--record", "full"], "record", "full"),
        (["--mode", "safe"], "mode", Mode.SAFE),
        (["--seed", "7"], "seed", 7),
        (["--http1.0"], "old", True),
        (["--no-http1.0"], "old", False),
        (["--socket", "unix:/run/x"], "socket", UnixAddress(Path("/run/x"))),
        (["--socket", "h:1"], "socket", Address("h", 1)),
    ],
)
def test_flags(arguments: list[str], field: str, value: object) -> None:
    assert getattr(settled(("http://x", *arguments)), field) == value


def test_defaults_need_no_source() -> None:
    assert settled(("u",)) == Config(url="u")


def test_flag_goes_before_variable_before_file(tmp_path: Path) -> None:
    toml = load(tmp_path, '[probe]\nport = 1\nseed = 1\nrate = 1\nto = ["a:1", "b:2"]\n')
    environ = {"NETLAB_PROBE_PORT": "2", "NETLAB_PROBE_SEED": "2", "NETLAB_PROBE_TO": "c:3 d:4"}
    config = settled(("u", "--port", "3"), environ, toml)
    assert (config.port, config.seed, config.rate) == (3, 2, 1.0)
    assert config.to == (Address("c", 3), Address("d", 4))


def test_toml_has_its_own_types(tmp_path: Path) -> None:
    toml = load(tmp_path, '[probe]\nquiet = true\nmax-body = 512\ntimeout = 2.5\nto = "a:1"\nroot = "/srv"\n')
    config = settled(("u",), toml=toml)
    assert (config.quiet, config.max_body, config.timeout) == (True, 512, 2.5)
    assert (config.to, config.root) == ((Address("a", 1),), Path("/srv"))


def test_other_tables_are_left_alone(tmp_path: Path) -> None:
    toml = load(tmp_path, "[http]\nwhatever = 1\n[http_proxy]\nx = 1\n")
    toml.check(TABLES)
    assert toml.values(Config, "probe") == {}


@given(st.floats(0, 1e6).map(lambda seconds: round(seconds, 3)))
def test_durations_are_read_as_they_are_written(seconds: float) -> None:
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@given(st.integers(0, 1 << 50))
def test_sizes_are_read_as_they_are_written(size: int) -> None:
    assert parse_size(write_size(size)) == size


@given(st.text())
def test_no_text_breaks_a_kind(text: str) -> None:
    for hint in (Duration, Size, Count, Port, Address, Address | UnixAddress, bool, int, float, Mode, int | None):
        try:
            kind_of(hint).parse(text)
        except ValueError:
            pass


@given(st.from_regex(r"([a-z0-9.]{1,20}|\[[0-9a-f:]{2,20}\])?:[0-9]{1,4}", fullmatch=True))
def test_addresses_are_read_as_they_are_written(text: str) -> None:
    address = Address.parse(text)
    assert Address.parse(str(address)) == address


# -- what is refused, and in which words ---------------------------------------------------------------------------

ADDRESS = "HOST:PORT, such as 127.0.0.1:8080, localhost:0, [::1]:8080 or :8080"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lisen", ":1"], "netlab probe has no flag --lisen; did you mean --listen?"),
        (["--lisen=:1"], "netlab probe has no flag --lisen; did you mean --listen?"),
        (["--xyzzy"], "netlab probe has no flag --xyzzy"),
        (["-z"], "netlab probe has no flag -z"),
        (["--listen"], f"--listen needs a value: {ADDRESS}"),
        (["--listen", "--quiet"], f"--listen needs a value: {ADDRESS}"),
        (["--listen", "h:x"], f"--listen 'h:x' is not {ADDRESS}"),
        (["--listen", "h:70000"], "--listen 'h:70000' has port 70000; ports are 0 to 65535"),
        (["--listen", "localhost"], "--listen 'localhost' has no port; write HOST:PORT, such as localhost:8080"),
        (["--listen", "::1:80"], "--listen '::1:80' needs brackets around the IPv6 address: [::1]:80"),
        (["--listen", "http://h:80"], f"--listen 'http://h:80' is not {ADDRESS}"),
        (["--to", "a:1", "--to", "b:x"], f"--to 'b:x' is not {ADDRESS}"),
        (["--timeout", "soon"], "--timeout 'soon' is not a duration such as 30, 30s, 2m or 500ms"),
        (["--timeout", "-5"], "--timeout '-5' is not a duration such as 30, 30s, 2m or 500ms"),
        (["--max-body", "5 apples"], "--max-body '5 apples' is not a size such as 512, 64KiB, 1MiB or 10MB"),
        (["--workers", "0"], "--workers '0' is not a whole number of 1 or more"),
        (["--port", "65536"], "--port '65536' has port 65536; ports are 0 to 65535"),
        (["--record", "ful"], "--record 'ful' is not one of off, summary, full; did you mean full?"),
        (["--mode", "slow"], "--mode 'slow' is not one of fast, safe"),
        (["--seed", "x"], "--seed 'x' is not a whole number or none"),
        (["--rate", "x"], "--rate 'x' is not a number"),
        (["--quiet=maybe"], "--quiet 'maybe' is not true or false"),
        (["--socket", "unix:x"], f"--socket 'unix:x' is not {ADDRESS} or unix:/path"),
        (["--seed", "1", "--seed", "2"], "--seed is given twice; it takes one value"),
        (["more"], "netlab probe takes URL, and not 'more'"),
    ],
)
def test_wrong_flags(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        settled(("http://x", *arguments))
    assert str(caught.value) == sentence


def test_an_argument_that_is_missing() -> None:
    with pytest.raises(UsageError) as caught:
        settled(())
    assert str(caught.value) == "netlab probe needs URL"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("NETLAB_PROBE_PORT", "x", "NETLAB_PROBE_PORT 'x' is not a port, 0 to 65535"),
        ("NETLAB_PROBE_QUIET", "perhaps", "NETLAB_PROBE_QUIET 'perhaps' is not true or false"),
        ("NETLAB_PROBE_TO", "a:1 b", "NETLAB_PROBE_TO 'b' has no port; write HOST:PORT, such as b:8080"),
        (
            "NETLAB_PROBE_LISTN",
            ":1",
            "NETLAB_PROBE_LISTN is set, but probe has no such setting; did you mean NETLAB_PROBE_LISTEN?",
        ),
    ],
)
def test_wrong_variables(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        settled(("u",), {variable: value})
    assert str(caught.value) == sentence


def test_a_longer_name_s_variables_are_not_ours() -> None:
    environ = {"NETLAB_PROBE_TWO_LISTEN": ":1"}
    assert from_environment(Config, "probe", environ, tables=("probe", "probe-two")) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[probe]\n\nport = 70000\n", "lab.toml:3: port '70000' has port 70000; ports are 0 to 65535"),
        ("[probe]\nprt = 1\n", "lab.toml:2: probe has no setting 'prt'; did you mean port?"),
        ("[http]\n[probe]\n# note\nquiet = 'so'\n", "lab.toml:4: quiet 'so' is not true or false"),
        ('[probe]\nto = [\n  "a:1",\n  "b",\n]\n', "lab.toml:2: to 'b' has no port; write HOST:PORT, such as b:8080"),
        ('[probe]\nt = """\nx\n"""\nport = -1', "lab.toml:2: probe has no setting 't'; did you mean to?"),
        ("[probe]\nport = [1, 2]\n", "lab.toml:2: port takes one value, not a list"),
        ("[probe]\nport = 1979-05-27\n", "lab.toml:2: port is not a port, 0 to 65535"),
        ("probe.port = 'x'\n", "lab.toml:1: port 'x' is not a port, 0 to 65535"),
        ("[prob]\nport = 1\n", "lab.toml:1: there is no service 'prob'; did you mean probe?"),
        ("port = 1\n", "lab.toml:1: port stands outside of a table; write it below [http], [lab] or the like"),
        ("[probe]\nport 1\n", "lab.toml:2:6: this is not TOML: expected '=' after a key in a key/value pair"),
        ("[probe", "lab.toml:1:7: this is not TOML: expected ']' at the end of a table declaration"),
    ],
)
def test_wrong_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lab.toml").write_text(text)

    def everything() -> None:
        toml = Toml.load(Path("lab.toml"))
        toml.check(TABLES)
        settled(("u",), toml=toml)

    with pytest.raises(UsageError) as caught:
        everything()
    assert str(caught.value) == sentence


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^cannot read .*nowhere.toml: No such file or directory$"):
        Toml.load(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(UsageError, match=r"latin.toml is not UTF-8 text$"):
        Toml.load(tmp_path / "latin.toml")


# -- help ----------------------------------------------------------------------------------------------------------


def test_docstrings_below_the_fields() -> None:
    assert docs(Config)["listen"] == "Where to listen."
    assert docs(Config)["endpoints"] == "Answer the built-in paths,\nall of them."
    assert "timeout" not in docs(Config)


def test_docstrings_of_inherited_fields() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Child(Config):
        listen: Address = Address()
        """Another place."""

    assert docs(Child)["listen"] == "Another place."
    assert docs(Child)["quiet"] == "Say nothing."


def test_help_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    text = help_text(LINE)
    for expected in (
        "Usage: netlab probe [flags] URL",
        "Probe something",
        "probe (also: table [probe] of the file, variables like NETLAB_PROBE_LISTEN)",
        "  --listen HOST:PORT          Where to listen. [default 127.0.0.1:8080]",
        "  --to HOST:PORT              Upstreams. [repeatable]",
        "  -q, --quiet                 Say nothing.",
        "  --endpoints, --no-endpoints",
        "  --timeout DURATION          [default 30s]",
        "  --max-body SIZE             [default 1MiB]",
        "  --record off|summary|full   [default summary]",
        "Examples:\n  netlab probe x  probes x",
    ):
        assert expected in text
    assert max(map(len, text.splitlines())) <= 90


@pytest.mark.parametrize(
    ("arguments", "wanted"), [(["--help"], True), (["x", "-h"], True), (["--", "--help"], False), ([], False)]
)
def test_help_is_asked_for_before_the_double_dash(arguments: list[str], wanted: bool) -> None:
    assert wants_help(arguments) is wanted


def test_every_setting_has_a_kind() -> None:
    assert [setting.name for setting in settings(Config)][:3] == ["url", "listen", "to"]
    with pytest.raises(TypeError, match="no kind for a setting of type"):
        kind_of(dict[str, int])


@pytest.mark.parametrize("name", services())
def test_other_machines_are_let_in_only_on_purpose(name: str) -> None:
    """By none of the addresses that a service listens on."""
    config = services()[name].load().Config
    flags = [field.name for field in fields(config) if field.name.endswith("listen")]
    assert flags
    for flag in flags:
        with pytest.raises(UsageError, match="would let other machines use"):
            config(**{flag: Address("0.0.0.0", 0)})
