"""Hosts and commands that a fleet refuses, and failures of ssh: hosts are folders."""

from __future__ import annotations

import sys
from pathlib import Path

import invoke
import paramiko
import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.run.fleet.check import check
from memnotify.run.fleet.hosts import Host, load_hosts
from memnotify.run.fleet.remote import _load_good_lines, connect, connect_anyway
from memnotify.run.fleet.up import up
from memnotify.store import Store

from tests.support.fleet_lab import Done, FleetLab, LocalHost


def test_what_check_finds_is_said_once(fleet_lab: FleetLab, store: Store) -> None:
    fleet_lab.broken |= {"a", "b"}
    found = check(
        fleet_lab.load("a", "b"), store=store, say=fleet_lab.say, connect=fleet_lab.connect
    )
    assert [one.problems for one in found] == [["Name or service not known"]] * 2
    assert fleet_lab.said == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('#!/bin/sh\necho \'[[3, 9], "x86_64", "/x", null]\'\n', "is Python 3.9, and Python 3."),
        ('#!/bin/sh\necho \'[[3, {minor}], "riscv64", "/x", null]\'\n', "it is riscv64, and "),
        ("#!/bin/sh\necho hello\n", "python said 'hello'"),
        ("#!/bin/sh\necho not today >&2\nexit 4\n", "python: not today"),
    ],
)
def test_a_host_that_is_not_like_this_one_is_refused(
    fleet_lab: FleetLab, store: Store, tmp_path: Path, said: str, problem: str
) -> None:
    python = tmp_path / "python"
    python.write_text(said.format(minor=sys.version_info[1]))
    python.chmod(0o755)
    file = tmp_path / "hosts.toml"
    file.write_text(f'[[host]]\naddress = "a"\npython = "{python}"\n')
    with pytest.raises(InfrastructureError, match=problem.replace(".", r"\.")):
        up(load_hosts(file), store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert fleet_lab.files("a") == []


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("lost"),
        invoke.exceptions.CommandTimedOut(invoke.runners.Result(), timeout=1),
        EOFError("lost"),
    ],
)
def test_what_the_libraries_raise_is_the_hosts_failure(
    fleet_lab: FleetLab, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(host: LocalHost, command: str, **_: object) -> Done:
        raise error

    monkeypatch.setattr(LocalHost, "run", run)
    with pytest.raises(InfrastructureError, match=r"^a: "):
        up(fleet_lab.load("a"), store=store, say=fleet_lab.say, connect=fleet_lab.connect)


def test_a_bug_is_not_the_hosts_failure(
    fleet_lab: FleetLab, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(host: LocalHost, local: object, remote: str) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(LocalHost, "put", put)
    with pytest.raises(TypeError, match="a bug"):
        up(fleet_lab.load("a"), store=store, say=fleet_lab.say, connect=fleet_lab.connect)
    assert fleet_lab.files("a") == []


def test_a_malformed_ssh_configuration_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh" / "config").write_text("nonsense\n")
    big = Host(name="big", address="big")
    with pytest.raises(InputError, match="ssh's configuration, for big: Unparsable line nonsense"):
        connect(big)
    (home / ".ssh" / "config").write_text("")
    key = paramiko.ECDSAKey.generate()
    good = f"small {key.get_name()} {key.get_base64()}"
    lines = ["# comment", "big ssh-ed25519 A", "half a line", good]
    (home / ".ssh" / "known_hosts").write_text("\n".join(lines))
    said = "for big: known_hosts has a line that is not a key: 'big ssh-ed25519 A'"
    with pytest.raises(InputError, match=said):
        connect(big)
    client = paramiko.SSHClient()
    _load_good_lines(client)
    assert client._system_host_keys.keys() == ["small"]
    assert connect_anyway(big)
    (home / ".ssh" / "known_hosts").unlink()
    assert connect_anyway(big)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["fleet", "status", "HOSTS"], 2, "hosts.toml: no fleet of these hosts is up"),
        (["fleet", "down", "HOSTS"], 0, "no fleet of these hosts is up"),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--plan"],
            2,
            "--plan cannot be combined with --fleet",
        ),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--prepare", "kernels"],
            2,
            "--prepare cannot be combined with --fleet",
        ),
        (["run", "TOML", "--tag", "big"], 2, "--tag needs --fleet or --scheduler"),
        (["run", "TOML", "--jobqueue", "slurm:2", "--tag", "big"], 2, "--tag needs --fleet or"),
        (
            ["run", "TOML", "--fleet", "HOSTS", "--scheduler", "tls://a:1"],
            2,
            "--scheduler cannot be combined with --fleet",
        ),
    ],
)
def test_commands_without_a_fleet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hosts = FleetLab(tmp_path).file("a")
    names = {"HOSTS": str(hosts), "TOML": "campaigns/demo.toml"}
    assert main([names.get(word, word) for word in words]) == status
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
