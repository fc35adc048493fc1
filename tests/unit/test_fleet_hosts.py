"""hosts.toml: what it may say, and what is wrong with it in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.run.fleet.hosts import Host, Hosts, load_hosts

WHOLE = """\
listen = "10.0.0.1"
hours = 48

[[host]]
address = "me@big.example"
port = 2222
key = "id"
cores = 8
memory_mib = 32000
boots = 3
tags = ["big", "x86_64"]

[[host]]
name = "small"
address = "small-in-ssh-config"
user = "you"
python = "/opt/python3.11/bin/python3"
folder = "scratch/fleet"
store = "/srv/memnotify"
"""


def load(tmp_path: Path, text: str) -> Hosts:
    file = tmp_path / "hosts.toml"
    file.write_text(text)
    return load_hosts(file)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("secret")
    found = load(tmp_path, WHOLE)
    assert (found.listen, found.hours, found.file) == ("10.0.0.1", 48, tmp_path / "hosts.toml")
    assert list(found.hosts) == [
        Host(
            name="big.example",
            address="me@big.example",
            port=2222,
            key=tmp_path / "id",
            cores=8,
            memory_mib=32000,
            boots=3,
            tags=("big", "x86_64"),
        ),
        Host(
            name="small",
            address="small-in-ssh-config",
            user="you",
            python="/opt/python3.11/bin/python3",
            folder="scratch/fleet",
            store="/srv/memnotify",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "hosts.toml:1: host: this key is missing"),
        ("host = []", "hosts.toml:1: host: must have at least 1 item"),
        ('[[host]]\nadress = "a"', "hosts.toml:2: host[0].adress: unknown key (did you mean"),
        ('[[host]]\naddress = "-oX"', "hosts.toml:2: host[0].address: '-oX' is not an address"),
        ('[[host]]\naddress = "me@"', "hosts.toml:2: host[0].address: 'me@' is not an address"),
        ('[[host]]\naddress = "a/../b"', "hosts.toml:2: host[0].address: 'a/../b' is not an"),
        ('[[host]]\naddress = "ssh://me@a"', "hosts.toml:2: host[0].address: 'ssh://me@a' is"),
        ('[[host]]\naddress = "\\u001b[1ma"', "hosts.toml:2: host[0].address: "),
        (
            '[[host]]\naddress = "me@a"\nuser = "you"',
            "hosts.toml:3: host[0].user: the address also names",
        ),
        ('[[host]]\naddress = "a"\nport = 0', "hosts.toml:3: host[0].port: must be 1 or more"),
        ('[[host]]\naddress = "a"\ncores = 0', "hosts.toml:3: host[0].cores: must be 1 or more"),
        (
            '[[host]]\naddress = "a"\nname = "a b"',
            "hosts.toml:3: host[0].name: 'a b' is not a name",
        ),
        ('[[host]]\naddress = "a"\ntags = ["KVM"]', "hosts.toml:3: host[0].tags[0]: 'KVM' is not"),
        ('[[host]]\naddress = "a"\ntags = ["cores"]', "hosts.toml:3: host[0].tags: cores is a"),
        ('[[host]]\naddress = "a"\nkey = "none"', "hosts.toml:3: host[0].key: "),
        ('[[host]]\naddress = "a"\n[[host]]\naddress = "b@a"', "hosts.toml:4: host[1].address: a"),
        ('hours = 0\n[[host]]\naddress = "a"', "hosts.toml:1: hours: must be 1 or more"),
        ('listen = "here"\n[[host]]\naddress = "a"', "hosts.toml:1: listen: 'here' is not an IP"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text + "\n")
    assert said in str(caught.value) and "\n" not in str(caught.value)
