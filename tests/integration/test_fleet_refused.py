"""Hosts and commands that a fleet refuses, and failures of ssh: hosts are folders."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import invoke
import paramiko
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.cli import run
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel import toolchain
from memnotify.places import HOME
from memnotify.run import prepare
from memnotify.run.base_selection import Preparing
from memnotify.run.fleet.check import check
from memnotify.run.fleet.hosts import Host, load_hosts
from memnotify.run.fleet.remote import _load_good_lines, connect, connect_anyway
from memnotify.run.fleet.up import up
from memnotify.run.prepare import identify_all, refuse_without_tools
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
    def fails(host: LocalHost, command: str, **_: object) -> Done:
        raise error

    monkeypatch.setattr(LocalHost, "run", fails)
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


def no_base(*_: object, **__: object) -> str:
    raise AssertionError("a base is chosen, which may fetch and build for an hour")


def of_bases(file: Path, *bases: str) -> Path:
    """Write the demo with these bases."""
    text = (HOME / "campaigns/demo.toml").read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^base = .*$", f"base = {list(bases)}", text))
    return file


def test_a_machine_that_cannot_build_refuses_before_a_base_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "missing_packages", lambda base, **_: {"flex": "flex"})
    monkeypatch.setattr(run, "choose_base", no_base)
    file = of_bases(tmp_path / "one.toml", "6.1", "6.12")
    hosts = FleetLab(tmp_path).file("a")
    assert main(["run", str(file), "--fleet", str(hosts), "-o", str(tmp_path / "run")]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "building 6.1 needs flex on this machine, where the kernels for all hosts are" in line
    assert "apt-get install flex; or start the run on a host that has it" in line
    assert not (tmp_path / "run").exists()


def test_a_machine_that_can_build_one_of_several_bases_may_choose_it(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"6.1": {"flex": "flex"}}
    monkeypatch.setattr(toolchain, "missing_packages", lambda base, **_: missing.get(base.name, {}))
    campaign = load_campaign(of_bases(tmp_path / "two.toml", "6.1", "6.12"))
    using = Preparing(store=store, say=print)
    refuse_without_tools(campaign, using)
    cells = plan_cells(campaign, base="6.1")
    with pytest.raises(InfrastructureError, match=r"building 6\.1 needs flex on this machine"):
        identify_all(cells, using)


def test_a_compiler_that_fails_is_told_as_it_is(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other host is offered: this machine lacks nothing."""
    failure = InfrastructureError("command", "gcc --version: no answer in 60 s")

    def fails(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(prepare, "identify", fails)
    cells = plan_cells(load_campaign(of_bases(tmp_path / "one.toml", "6.1")))
    with pytest.raises(InfrastructureError) as caught:
        identify_all(cells, Preparing(store=store, say=print))
    assert caught.value is failure


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fleet", "HOSTS", "--tag", "big"], "hosts.toml: no host has the tags big"),
        (["--scheduler", "tls://a:1", "--tls", "TLS"], "tls: has no ca.pem"),
        (["--scheduler", "tls://a:1"], "needs --tls"),
        (["--scheduler", "tcp://a:1", "--tls", "TLS"], "which does not encrypt"),
        (["--jobqueue", "slurm:2", "--tls", "TLS"], "--tls cannot be combined with --jobqueue"),
        (["--verify", "2"], "--verify needs --scheduler"),
    ],
)
def test_what_no_cluster_can_use_is_refused_before_a_base_is_chosen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "choose_base", no_base)
    monkeypatch.setattr(run, "refuse_without_tools", lambda campaign, using: None)
    (tmp_path / "tls").mkdir()
    names = {"HOSTS": str(FleetLab(tmp_path).file("a")), "TLS": str(tmp_path / "tls")}
    file = of_bases(tmp_path / "one.toml", "6.1")
    assert main(["run", str(file), *(names.get(word, word) for word in words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
