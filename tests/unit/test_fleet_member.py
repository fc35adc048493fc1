"""What is said to a host, and what becomes of what it says."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.fleet.facts import Facts
from memnotify.run.fleet.hosts import Host
from memnotify.run.fleet.member import Folder, call, end_on, enter, in_environment, offer
from memnotify.run.fleet.remote import failures_of_host, must, must_json, on_all

from tests.support.fleet_lab import Done, FleetLab, LocalHost


def test_no_word_is_more_than_a_word_to_the_shell_of_a_host(tmp_path: Path) -> None:
    odd = "it's; touch made $(touch made)"
    lab = FleetLab(tmp_path)
    host = Host(name="a", address="a", python=lab.load("a").hosts[0].python, folder=odd)
    remote = lab.connect(host)
    entered = enter(host, remote, "f1")
    assert lab.files("a") == [odd, f"{odd}/f1", f"{odd}/f1/there.py"]
    assert entered.folder.made and entered.folder.here == str(tmp_path / "a" / odd / "f1")
    end_on(entered.folder, remote, "f1")
    assert lab.files("a") == []


def test_a_folder_in_which_hardly_anything_is_goes_too(tmp_path: Path) -> None:
    lab = FleetLab(tmp_path)
    remote = lab.connect(Host(name="a", address="a"))
    (tmp_path / "a/above/f1").mkdir(parents=True)
    folder = Folder(here=str(tmp_path / "a/above/f1"), made=True, python="python3")
    end_on(folder, remote, "f1")
    assert lab.files("a") == []
    end_on(folder, remote, "f1")


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        (Host(name="a", address="a"), "memory_mib=900 cores=4 boots=2"),
        (Host(name="a", address="a", cores=3, memory_mib=800, boots=1), "800 cores=3 boots=1"),
        (Host(name="a", address="a", cores=99, memory_mib=9999), "memory_mib=900 cores=4 boots=2"),
        (Host(name="a", address="a", tags=("kvm",)), "boots=2 kvm=1000000000"),
    ],
)
def test_a_worker_offers_no_more_than_there_is(host: Host, wanted: str) -> None:
    assert offer(host, Facts(memory_mib=900, cores=4)).words().endswith(wanted)


@pytest.mark.parametrize("command", ["begin", "unpack", "start"])
def test_what_a_command_starts_ends_with_the_fleet(tmp_path: Path, command: str) -> None:
    remote = Says(Done(0, "{}\n", ""))
    folder = Folder(here="/home/a/above/f1", made=True, python="python3")
    call(folder, remote, command, {})
    call(folder, remote, "end", {})
    words, ends = map(shlex.split, remote.commands)
    assert words[:4] == ["env", "MEMNOTIFY_FLEET=f1", "python3", "/home/a/above/f1/there.py"]
    assert ends[0] == "python3"  # which does not end itself


def test_words_in_the_environment_are_no_more_than_words() -> None:
    folder = Folder(here="/home/a/above/f1", made=True, python="python3")
    words = in_environment(folder, "/e/bin/python", "/my cache; x", "memnotify", "doctor")
    assert words[:3] == ["env", "MEMNOTIFY_FLEET=f1", "XDG_CACHE_HOME=/my cache; x"]
    with pytest.raises(InfrastructureError, match=r"^python: no$"):
        must(Says(Done(1, "", "no")), *words)


class Says(LocalHost):
    def __init__(self, done: Done) -> None:
        super().__init__(Path())
        self.done = done

    def run(self, command: str, **_: Any) -> Done:
        self.commands.append(command)
        return self.done


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Done(1, "", "first\n\nlast\n"), "python3: last"),
        (Done(1, "only here\n", ""), "python3: only here"),
        (Done(3, "", ""), "python3: exit status 3"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_words(done: Done, said: str) -> None:
    remote = Says(done)
    with pytest.raises(InfrastructureError) as caught:
        must(remote, "/usr/bin/python3", "a b")
    assert str(caught.value) == said
    assert shlex.split(remote.commands[0]) == ["/usr/bin/python3", "a b"]


@pytest.mark.parametrize(("said", "shown"), [("", "'nothing'"), ("a\nhello\n", "'hello'")])
def test_what_is_no_answer_is_shown(said: str, shown: str) -> None:
    with pytest.raises(InfrastructureError, match=f"python3 said {shown}"):
        must_json(Says(Done(0, said, "")), "python3")


def test_words_before_the_answer_do_not_matter() -> None:
    assert must_json(Says(Done(0, "Welcome!\n[1, 2]\n", "")), "python3") == [1, 2]


def test_all_hosts_work_at_once_and_fail_alone() -> None:

    count = 40  # more than asyncio's default number of threads, on any machine
    all_there = threading.Barrier(count, timeout=30)
    failures: dict[str, str] = {}

    def work(name: str, remote: Any) -> str:
        all_there.wait()
        if name == "host3":
            raise OSError("no route")
        return name.upper()

    remotes = {f"host{number}": Says(Done(0, "", "")) for number in range(count)}
    found = on_all(remotes, work, lambda name, error: failures.update({name: str(error)}))
    assert failures == {"host3": "no route"}
    assert list(found)[:4] == ["host0", "host1", "host2", "host4"] and len(found) == count - 1


def test_an_error_of_the_network_is_said_in_words() -> None:
    pytest.importorskip("fabric")
    for error, words in (
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (OSError("no route"), "no route"),
        (UnicodeError("label empty or too long"), "not a name of the network that can exist"),
    ):
        with pytest.raises(InfrastructureError) as caught, failures_of_host():
            raise error
        assert caught.value.message == words


def test_what_has_no_number_is_told_without_one() -> None:
    # As paramiko raises it for a port at which nobody listens.
    with pytest.raises(InfrastructureError) as told, failures_of_host():
        raise OSError(None, "Unable to connect to port 22 on 192.0.2.1")
    assert "Unable to connect to port 22" in str(told.value)
    assert "Errno" not in str(told.value)
