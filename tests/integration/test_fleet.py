"""A campaign on several hosts with made-up guests: by a made-up ssh, and by a real one if any."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
from pathlib import Path
from typing import Any

import invoke
import paramiko
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.results.folder import RunFolder
from memnotify.run import fleet
from memnotify.run.fleet import HostTable, load_fleet, run_fleet

from tests.support.campaigns import TEXT
from tests.support.fleet_lab import Done, Host, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_each_host_runs_a_part_and_the_whole_is_here(lab: Lab) -> None:
    found = lab.run("one", "two")
    assert (list(found.missing), dict(found.failures)) == ([], {})
    rows = RunFolder(lab.folder / "run").verdicts()
    assert [str(row.outcome) for row in rows] == ["ok"] * 4
    for name, shard in (("one", "1-of-2"), ("two", "2-of-2")):
        part = lab.folder / name / "memnotify-fleet" / f"try-{shard}" / "run"
        assert len(RunFolder(part).verdicts()) == 2
        assert lab.hosts[name].closed
    assert any(line.startswith("two (2/2): ") and "pc-swap" in line for line in lab.said)


def test_a_host_that_is_gone_leaves_the_others_results(lab: Lab) -> None:
    found = lab.run("one", "gone")
    assert len(found.missing) == 2
    assert [str(error) for error in found.failures.values()] == ["Name or service not known"]
    assert len(RunFolder(lab.folder / "run").verdicts()) == 2
    with pytest.raises(InputError, match="already exists"):
        lab.run("one")
    shutil.rmtree(lab.folder / "run")
    with pytest.raises(InfrastructureError, match="Name or service"):
        lab.run("gone")


def test_what_a_host_has_run_is_not_run_again(lab: Lab) -> None:
    lab.run("one")
    shutil.rmtree(lab.folder / "run")
    lab.said.clear()
    lab.run("one")
    assert any("4 cells, 4 of them already finished" in line for line in lab.said)


def test_a_scenario_of_its_own_file_goes_with_the_campaign(lab: Lab) -> None:
    head, _, body = TEXT.partition("[scenario.squeeze]\n")
    (lab.folder / "scenarios").mkdir()
    (lab.folder / "scenarios" / "squeeze.toml").write_text(body.replace("scenario.squeeze.", ""))
    lab.campaign.write_text(head)
    assert not lab.run("one").missing


def test_what_a_host_refuses_is_bad_input(lab: Lab) -> None:
    lab.program.write_text("#!/bin/sh\necho 'memnotify: no base is called 6.1' >&2\nexit 2\n")
    with pytest.raises(InputError, match=r"one \(1/1\): memnotify: no base is called 6\.1"):
        lab.run("one")
    lab.program.write_text("#!/bin/sh\necho 'Killed' >&2\nexit 137\n")
    with pytest.raises(InfrastructureError, match="exited with status 137: Killed"):
        lab.run("one")


def test_all_hosts_run_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40  # more than asyncio's default number of threads, on any machine
    all_there = threading.Barrier(count, timeout=30)

    def run(host: Host, command: str, **_: Any) -> Done:
        all_there.wait()
        raise OSError("all are there")

    monkeypatch.setattr(Host, "run", run)
    with pytest.raises(InfrastructureError, match="all are there"):
        lab.run(*(f"host{number}" for number in range(count)))


def packed(*names: str, mtime: float = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.mtime = mtime
            archive.addfile(entry)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed("./cells/../../../evil"), "evil leads out of the tree"),
        (b"no tarball", "not a whole tar archive"),
        (packed("./plan.json", mtime=10**20), "plan.json is damaged: its time is 1e+20"),
        (packed("./plan.json", "./plan.json"), "plan.json is in the archive twice"),
        (packed("./cells/file"), "is not the folder of a run: it has no plan.json"),
    ],
    ids=[
        "leads out",
        "no tarball",
        "time",
        "twice",
        "no run",
    ],  # the data of the first contains the time of day
)
def test_results_that_are_not_a_run_are_that_hosts_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, data: bytes, words: str
) -> None:
    get = Host.get

    def bad(host: Host, remote: str, local: str) -> None:
        if host.home.name == "two":
            Path(local).write_bytes(data)
        else:
            get(host, remote, local)

    monkeypatch.setattr(Host, "get", bad)
    found = lab.run("one", "two")
    assert len(found.missing) == 2
    [error] = found.failures.values()
    assert words in str(error)
    assert not list(lab.folder.rglob("evil"))


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("lost"),
        invoke.exceptions.CommandTimedOut(invoke.runners.Result(), timeout=1),
        EOFError("lost"),
    ],
)
def test_what_the_libraries_raise_is_the_hosts_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(host: Host, command: str, **_: Any) -> Done:
        raise error

    monkeypatch.setattr(Host, "run", run)
    with pytest.raises(InfrastructureError):
        lab.run("one")


def test_a_bug_is_not_the_hosts_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(host: Host, local: Any, remote: str) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(Host, "put", put)
    with pytest.raises(ExceptionGroup) as caught:
        lab.run("one")
    assert caught.group_contains(TypeError)


def test_a_malformed_ssh_configuration_is_bad_input(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / ".ssh" / "config").write_text("nonsense\n")
    with pytest.raises(InputError, match="ssh's configuration, for big: Unparsable line nonsense"):
        lab.run("big", connect=fleet.connect)
    (home / ".ssh" / "config").write_text("")
    (home / ".ssh" / "known_hosts").write_text("big ssh-ed25519 A\n")
    with pytest.raises(InputError, match="ssh's configuration, for big: "):
        lab.run("big", connect=fleet.connect)


HOSTS = '[[host]]\naddress = "one"\nprogram = "{program}"\n'


def test_the_command(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet, "connect", lab.connect)
    monkeypatch.setattr(run_fleet, "__kwdefaults__", {"durations": None, "connect": lab.connect})
    file = lab.folder / "hosts.toml"
    file.write_text(HOSTS.format(program=lab.program))
    argv = ["run", str(lab.campaign), "--fleet", str(file), "-o", str(lab.folder / "run")]
    assert main([*argv, "--cold", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    file.write_text(HOSTS.format(program=lab.program) + HOSTS.replace("one", "gone"))
    assert main([*argv[:-1], str(lab.folder / "again"), "--cold"]) == 3
    assert "gone (2/2): Name or service not known" in capsys.readouterr().err
    assert main([*argv[:-1], str(lab.folder / "cc"), "--cc=no such"]) == 2
    assert "one (1/2): memnotify: there is no compiler no such" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ('[[host]]\naddress = "one"\n', ["--shard=1/2"], "--shard cannot be combined with --fleet"),
        ('[[host]]\naddress = "one"\n', ["--source=/x"], "on each host"),
        ('[[host]]\naddress = "one"\n', ["--prepare=source"], "--prepare cannot be combined with"),
        ('[[host]]\naddress = "one"\n', ["--stages=x"], "--stages cannot be combined with --fleet"),
        ('[[host]]\nadress = "one"\n', [], "hosts.toml:2: host[0].adress: unknown key (did you"),
        ('[[host]]\naddress = "-oX"\n', [], "hosts.toml:2: host[0].address: '-oX' is not an"),
        ("", [], "host: this key is missing"),
    ],
)
def test_bad_usage(
    lab: Lab, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], words: str
) -> None:
    file = lab.folder / "hosts.toml"
    file.write_text(text)
    assert main(["run", str(lab.campaign), f"--fleet={file}", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_hosts_must_not_choose_different_bases(lab: Lab) -> None:
    lab.campaign.write_text(TEXT.replace('"6.1"', '["2.6.24", "6.1"]'))
    with pytest.raises(InputError, match="name one base"):
        lab.run("one")


def test_a_hosts_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\naddress = "me@a"\n[[host]]\naddress = "b"\njobs = 3\n')
    assert load_fleet(file) == (HostTable(address="me@a"), HostTable(address="b", jobs=3))


def test_no_word_is_more_than_a_word_to_the_shell_of_a_host(lab: Lab) -> None:
    odd = "it's; touch made $(touch made)"
    host = HostTable(address="a", program=str(lab.program), folder=odd)
    run_fleet(
        load_campaign(lab.campaign),
        [host],
        path=lab.folder / "run",
        options=["--cold"],
        say=lab.said.append,
        connect=lab.connect,
    )
    assert len(RunFolder(lab.folder / "run").verdicts()) == 4
    assert {path.name for path in (lab.folder / "a").iterdir()} == {odd}
