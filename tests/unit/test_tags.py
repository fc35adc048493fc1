"""Tags of hosts: what a campaign and a command name, and what workers find out by themselves."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from memnotify.campaign.load import Campaign, load_campaign
from memnotify.cli.cluster import add_cluster, tags_of
from memnotify.errors import InputError
from memnotify.places import HOME
from memnotify.run.executors.dask_hosts import Hosts
from memnotify.run.executors.parcel import HostFacts, program, qemu_version
from memnotify.run.executors.protocol import KVM
from memnotify.run.fleet.hosts import load_hosts

DEMO = (HOME / "campaigns/demo.toml").read_text(encoding="utf-8")


def campaign(folder: Path, tags: str) -> Campaign:
    file = folder / "tagged.toml"
    name, head, rest = DEMO.partition('name = "demo"')
    file.write_text(f"{name}{head}\n{tags}\n{rest}")
    return load_campaign(file)


def options(*tags: str, jobqueue: object = None) -> argparse.Namespace:
    return argparse.Namespace(tag=list(tags) or None, jobqueue=jobqueue)


def test_those_of_the_campaign_and_of_the_command_count(tmp_path: Path) -> None:
    assert tags_of(options(), campaign(tmp_path, "")) == ()
    named = campaign(tmp_path, 'tags = ["big", "kvm"]')
    assert tags_of(options(), named) == ("big", "kvm")
    assert tags_of(options("ssd", "big"), named) == ("big", "kvm", "ssd")
    assert tags_of(options(), campaign(tmp_path, 'tags = "big"')) == ("big",)


def test_jobs_of_a_batch_system_have_none(tmp_path: Path) -> None:
    named = campaign(tmp_path, 'tags = "big"')
    with pytest.raises(InputError, match="jobs of a batch system have no tags") as caught:
        tags_of(options(jobqueue=("slurm", 2)), named)
    assert caught.value.file == named.path
    assert tags_of(options(jobqueue=("slurm", 2)), campaign(tmp_path, "")) == ()


@pytest.mark.parametrize("tag", ["cores", "memory_mib", "boots", "Big", "", "a b", "memnotify-big"])
def test_a_campaign_cannot_name_what_is_no_tag(tmp_path: Path, tag: str) -> None:
    with pytest.raises(InputError, match=r"tagged\.toml:\d+: tags.*is not a tag of hosts"):
        campaign(tmp_path, f'tags = "{tag}"')


def test_a_file_of_hosts_and_a_command_cannot_name_what_workers_offer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\naddress = "a"\ntags = ["memnotify-big"]\n')
    with pytest.raises(InputError, match=r"tags.*does not begin with memnotify-"):
        load_hosts(file)
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--tag", "memnotify-big"])
    assert "'memnotify-big' is not a tag" in capsys.readouterr().err
    assert parser.parse_args(["--tag", "memnotify"]).tag == ["memnotify"]


def test_a_fleet_is_not_asked_for_what_workers_find_out(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\naddress = "a"\n[[host]]\naddress = "b"\ntags = ["big"]\n')
    hosts = load_hosts(file)
    assert [host.name for host in hosts.with_tags(["kvm", "x86_64"]).hosts] == ["a", "b"]
    assert [host.name for host in hosts.with_tags(["kvm", "big"]).hosts] == ["b"]
    with pytest.raises(InputError, match="no host has the tags big, ssd"):
        hosts.with_tags(["kvm", "big", "ssd"])


def host(*offers: str) -> HostFacts:
    return HostFacts(
        address="tls://h",
        name="h",
        memnotify=program(),
        qemu=qemu_version(),
        cores=1,
        memory_mib=1,
        threads=1,
        offers=frozenset(offers),
    )


def test_a_tag_that_is_found_out_is_not_what_a_file_says() -> None:
    """A host whose file says kvm, and that cannot use it, gets no cells that need it."""
    hosts = Hosts(("kvm", "aarch64", KVM))
    assert hosts.wanted == (KVM, "memnotify-aarch64")
    told = hosts.join(host("kvm", "aarch64"))
    assert told == "host h cannot use KVM and is not aarch64: it gets no cells of this run"
    assert hosts.join(host(KVM, "memnotify-aarch64")) == ""
