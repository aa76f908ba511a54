"""`netlab doctor`: what it finds, and that it says what to do."""

from __future__ import annotations

import json
import socket

import pytest

from netlab import doctor
from netlab.commands.doctor import page
from netlab.config import Address
from netlab.doctor import Finding
from tests.netlab_process import place


def test_findings_for_programs() -> None:
    with place() as here:
        done = here.call("doctor", "--json")
        findings = json.loads(done.stdout)
        assert done.returncode == int(any(finding["state"] == "wrong" for finding in findings))
    assert {"Python", "open files", "CA"} <= {each["what"] for each in findings}
    for place_of in ("http --listen", "origin-1 --listen"):  # free, or named with who holds it
        assert any(place_of in finding["what"] + finding["found"] for finding in findings)
    for finding in findings:
        assert finding["state"] == "fine" or finding["why"], finding


def test_taken_ports_are_named_with_their_holder_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other, socket.socket() as another:
        for taken in (other, another):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        numbers = [taken.getsockname()[1] for taken in (other, another)]
        wanted = [("http --listen", numbers[0]), ("mqtt --listen", numbers[1])]
        asked = [(what, Address("127.0.0.1", number)) for what, number in wanted]
        monkeypatch.setattr(doctor, "listening", lambda: iter(asked))
        (found,) = doctor.ports()
    assert (found.what, found.state) == ("ports", "missing")
    assert found.found.startswith("in use, held by ")
    assert found.found.endswith(f": 127.0.0.1:{numbers[0]} (http --listen), 127.0.0.1:{numbers[1]} (mqtt --listen)")
    assert "--ports auto" in found.remedy


def test_an_authority_that_others_can_read_is_wrong(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path))
    assert doctor.authority().state == "fine"
    key = doctor.state_directory() / "ca" / "ca.key"
    key.chmod(0o644)
    found = doctor.authority()
    assert (found.state, found.remedy) == ("wrong", f"chmod 600 {key}")


def test_only_what_is_not_in_order_is_shown_unless_all_is_asked_for() -> None:
    findings = [Finding("a", "fine", "good"), Finding("b", "missing", "not there", "it matters", "do this")]
    assert page(findings, everything=False).splitlines()[0].startswith("note  b  not there")
    assert "do this" in page(findings, everything=False)
    assert page(findings, everything=True).startswith("ok    a  good")
