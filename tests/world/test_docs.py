"""Every command that README and docs/ tell people to type, typed as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from netlab.net.certs import Authority
from tests.world import forking
from tests.world.conftest import World
from tests.world.desk import Desk, inside
from tests.world.pages import ROOT, Block, pages, unfenced

UNTESTED = 14
"""No more lines than this are for people alone."""
NEWEST = "$(netlab export --jsonl --last 1 {} | jq -r .id)"
RESOLVED = NEWEST.format("--filter 'service == resolver and leg == false and label contains slow'")
INSTEAD = (
    (r"^(netlab load .*) --duration \S+", r"\1"),
    (r"^netlab load(?!.*--step).*", r"\g<0> --duration 500ms"),
    (r"--rate \d+", "--rate 20"),
    (r"(--step [\d-]+):\d+s", r"\1:500ms"),
    (r"100-2000", "5-10"),
    (r"p99<\d+ms", "p99<10s"),  # how quick it is, is no test's matter
    (r"--(seconds|ping) \d+\b", r"--\1 1"),
    (r"(?<= )URL\b", "http://127.0.0.1:8080/"),
    (r"http://…", "http://127.0.0.1:8080/"),
    (r"^make bench BENCH=\"(.*)\"|^python -m bench (.*)", rf"cd {ROOT} && {sys.executable} -m bench \1\2"),
    (r"^make (up|test|check)$", rf"make -C {ROOT} -n \1"),
    (r"^python ", f"{sys.executable} "),
    (r"\bshow (ID|17)\b", f"show {NEWEST.format('')}"),
    (r"--recorded 17\b", f"--recorded {RESOLVED}"),
    (r"\b002\w{19}\b", "$(netlab mail list --json | jq -r .[0].ID)"),
    (r"\bTOKEN$", "$(netlab token ada)"),
    (r"^(eval .*completion zsh.*)", r"zsh -fc 'autoload -U compinit; compinit -D; \1'"),
    (r"^netlab embed$", "echo | netlab embed"),
    (r"^netlab tour$", "netlab tour message"),  # the others have tests of their own
)
"""What is put for what a line leaves open, or would only spend time with."""
SAYS = {"netlab passwd": "secret\nsecret\n", "curl --user ada": "secret\n", "curl --anyauth": "secret\n"}
"""What is typed where a line asks."""
MAY_FAIL = (
    "echo x | netlab udp",
    "netlab dig www.lame",
    "netlab mail wait --new",
    "netlab resolver dump >",
    "netlab cache purge",
)
"""Lines that may come to nothing here, say so, and end with 1."""
CHANGES = re.compile(r"netlab (faults|clock|balancer \w|cache purge|mail delete|mqtt faults|mqtt clients.*--disc|tour)")
"""What others beside would notice: such blocks are typed when all others are."""
APART = re.compile(r"netlab (serve|up|stop)\b|netlab mail send.* --starttls")
"""What is about servers of its own, on ports that the lab has: such blocks have a network to themselves."""
BEFORE = (
    (re.compile("netlab stop"), "netlab serve http"),
    (re.compile("netlab mail send .*--starttls"), "netlab serve smtp --starttls"),
    (re.compile("netlab mail send "), "netlab serve smtp"),
    (re.compile(r"netlab serve .* --to :8080"), "netlab serve http"),
)
"""What must run for a line there, where its block does not say so."""
TOOLS = {
    "dig": "bind9-dnsutils",
    "mosquitto_sub": "mosquitto-clients",
    "mosquitto_pub": "mosquitto-clients",
    **{name: name for name in ("chromium", "curl", "jq", "make", "socat", "zsh")},
}
NEEDS = {"netlab browser": "chromium"}
AFTERWARDS = ("clock run", "faults clear", "balancer ready 127.0.0.1:9101", "mqtt faults --clear")
"""What leaves the lab as it was found."""
FIRST = (
    "dig @127.0.0.1 -p 5300 www.slow.broken.test",
    "netlab run -- curl -sS https://www.shop.test/hello",
    "netlab export --pcapng {folder}/lab.pcapng",
    "netlab passwd {folder}/users.txt ada --roles staff",
    "netlab mail send ada@shop.test --from shop@shop.test --subject 'welcome, your invoice' --attach {folder}/a.txt",
)
"""What has happened in the lab before the first line is typed."""


def furnish(folder: Path, forks: str, world: World) -> None:
    """What the pages' lines take for granted: files of these names."""
    leaf = Authority.load(world.here.folder / "state").leaf(["www.shop.test"])
    key = ec.generate_private_key(ec.SECP256R1())
    mail = "From: a@shop.test\nTo: bob@shop.test\nSubject: welcome\n\nHello.\n"
    texts = {
        "bin/netlab": f'#!/bin/sh\nexec {sys.executable} -IS {Path(forking.__file__)} {forks} ask "$@"\n',
        "bin/sudo": '#!/bin/sh\nexec "$@"\n',
        **dict.fromkeys(("site/index.html", "dist/index.html", "inbox/a", "shop/index.html", "sites/a"), "page"),
        **dict.fromkeys(
            ("report.pdf", "a.txt", "b.txt", "photo.jpg", "page.html", ".config/fish/completions/a"), "text"
        ),
        **dict.fromkeys(("letter.eml", "bounce.eml", "Maildir/new/1", "Maildir/cur/2", "Maildir/tmp/3"), mail),
        "Mail/archive.mbox": f"From a Mon Nov 23 12:00:00 2026\n{mail}",
        "topics.acl": "user ada\ntopic readwrite home/#\n",
        "lab.toml": '[lab]\nrecord = "summary"\n',
        "mine.toml": (ROOT / "servers/nameserver/world.toml").read_text(),
        "shop.crt": leaf.chain,
        "shop.key": leaf.key,
        "private.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "ads.txt": "ads.test\n",
        "hosts.txt": "127.0.0.1 here.test\n",
        "named.root": ". 3600 NS a.root.test.\na.root.test. 3600 A 127.0.53.1\n",
        "shop.test.zone": "$ORIGIN shop.test.\n@ 60 SOA ns admin 1 60 60 60 60\n@ 60 NS ns\nns 60 A 127.0.53.3\n",
        "fetch.py": "import requests\nprint(requests.get('https://www.shop.test/hello'))\n",
        "known": "",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)
    (folder / "captures").symlink_to(ROOT / "captures")


@pytest.fixture
def forks(world: World) -> Iterator[str]:
    place = str(world.here.folder / "forks")
    program = [sys.executable, forking.__file__, place]
    with subprocess.Popen([*inside(world.process.pid), *program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield place
        process.kill()


def test_every_command_can_be_typed(world: World, forks: str, tmp_path: Path) -> None:
    furnish(tmp_path / "usual", forks, world)
    with Desk(world, forks, tmp_path / "usual", apart=False) as desk:
        for line in FIRST:
            type_line(desk, line.format(folder=desk.folder))
    assert not desk.trouble, "\n".join(desk.trouble)
    blocks = [block for _, found in pages() for block in found]
    alone = [block for block in blocks if not apart(block) and any(CHANGES.match(line.text) for line in block)]
    beside = once([block for block in blocks if block not in alone])

    def typed(numbered: tuple[int, Block]) -> list[str]:
        number, block = numbered
        folder = Path(shutil.copytree(tmp_path / "usual", world.here.folder / f"desk{number}", symlinks=True))
        with Desk(world, forks, folder, apart=apart(block)) as desk:
            for line in block:
                if not line.untested and not lacks(line.text):
                    type_line(desk, line.text)
        return [f"{block[0].page}: {trouble}" for trouble in desk.trouble]

    with ThreadPoolExecutor(6) as threads:
        trouble = [*threads.map(typed, enumerate(beside))]
    trouble += [typed((len(beside) + number, block)) for number, block in enumerate(alone)]
    for line in AFTERWARDS:
        world.netlab(*line.split())
    world.netlab("clock", "back", f"{json.loads(world.netlab('clock', '--json'))['ahead']:.0f}s")
    assert not (found := [text for texts in trouble for text in texts]), "\n\n".join(found)
    if absent := sorted({TOOLS[tool] for block in blocks for line in block for tool in lacks(line.text)}):
        pytest.skip(f"lines that want these were left out: install {' '.join(absent)}")


@cache
def lacks(text: str) -> list[str]:
    """Programs that a line wants, and this machine has not."""
    words = {*re.findall(r"[\w-]+", text), *(tool for line, tool in NEEDS.items() if text.startswith(line))}
    return [tool for tool in TOOLS if tool in words and shutil.which(tool) is None]


def apart(block: Block) -> bool:
    return any(APART.match(line.text) for line in block)


def once(blocks: list[Block]) -> list[Block]:
    """Without the lines that the same lab was told before."""
    typed: set[str] = set()
    left = []
    for block in blocks:
        if not apart(block):
            block = tuple(line for line in block if line.text not in typed)
            typed |= {line.text for line in block}
        left += [block] if block else []
    return left


def type_line(desk: Desk, text: str) -> None:
    for pattern, instead in INSTEAD:
        text = re.sub(pattern, instead, text)
    said = next((words for begin, words in SAYS.items() if text.startswith(begin)), "")
    for line, needed in BEFORE if desk.apart else ():
        if line.match(text) and (not desk.serves(needed) or "stop" in text):
            desk.type(needed)
    desk.type(text, said, (0, 1) if text.startswith(MAY_FAIL) else (0,))


def test_no_command_stands_where_no_test_sees_it() -> None:
    assert not unfenced()


def test_few_commands_are_for_people_alone() -> None:
    untested = [line.text for _, blocks in pages() for block in blocks for line in block if line.untested]
    assert 0 < len(untested) <= UNTESTED, untested
