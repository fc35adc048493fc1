"""Campaigns on a Dask cluster with made-up guests: the same results, whatever its hosts do."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.probe import kvm_problem
from memnotify.results.folder import RunFolder
from memnotify.store import Store

from tests.support import guests_there
from tests.support.cluster_lab import ClusterLab
from tests.support.lab import meanwhile
from tests.support.processes import alive, wait_for

pytest.importorskip("distributed")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ClusterLab]:
    with ClusterLab(tmp_path) as made:
        yield made


def test_a_cluster_gives_the_results_of_one_host(
    lab: ClusterLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.start("alpha", "beta")
    there = lab.run_on(2, guests_there.quick)
    ran = lab.noted("ran")
    assert len(ran) == 4 and {host for host, _ in ran} == {"alpha", "beta"}
    manifests = lab.manifests()
    assert len(manifests) == 4
    for manifest in manifests.values():
        assert manifest["host"]["name"] in ("alpha", "beta") and "moves" not in manifest
        assert manifest["command"][-1] == "machine.cfg"
    assert there.results()[1] == []
    for host in ("alpha", "beta"):  # each has what it was sent, whole
        store = Store(tmp_path / host / "cache/memnotify")
        found = [artifact for kind in ("kernel", "image") for artifact in store.listing(kind)]
        assert len(found) >= 2
        assert all(store.get(each.kind, each.key) for each in found)
        assert list(store.root.glob("incoming/*")) == list(store.root.rglob(".draft-*")) == []
    verdicts = [verdict.to_json() for verdict in there.verdicts()]
    assert sorted(line.split(":")[0] for line in capsys.readouterr().err.splitlines()) == [
        "host alpha",
        "host beta",
    ]
    # Nothing is left to run, there or here.
    lab.run_on(2, guests_there.quick)
    lab.run(guests_there.quick)
    assert len(lab.noted("ran")) == 4
    lab.path = tmp_path / "here"
    os.environ[guests_there.HOST], os.environ[guests_there.NOTES] = "here", str(lab.notes)
    try:
        here = lab.run(guests_there.quick)
    finally:
        del os.environ[guests_there.HOST], os.environ[guests_there.NOTES]
    assert [verdict.to_json() for verdict in here.verdicts()] == verdicts
    assert (there.path / "plan.json").read_bytes() == (here.path / "plan.json").read_bytes()


def test_findings_are_results(lab: ClusterLab) -> None:
    lab.start("alpha")
    folder = lab.run_on(1, guests_there.finding)
    assert {str(verdict.outcome) for verdict in folder.verdicts()} == {"finding:panic"}
    assert all(len(manifest["attempts"]) == 1 for manifest in lab.manifests().values())


def test_a_full_host_gets_no_more_cells(lab: ClusterLab) -> None:
    lab.start("alpha", "beta")
    lab.run_on(2, guests_there.full_disk_on_alpha)
    manifests = lab.manifests().values()
    assert [manifest["outcome"] for manifest in manifests] == ["ok"] * 4
    assert {manifest["host"]["name"] for manifest in manifests} == {"beta"}
    moved = [manifest for manifest in manifests if len(manifest["attempts"]) > 1]
    assert 1 <= len(moved) <= 2 and len(lab.noted("full")) == len(moved)
    for manifest in moved:
        first = manifest["attempts"][0]
        assert (first["host"], first["outcome"]) == ("alpha", "infrastructure:disk-full")
    assert "host alpha gets no more cells: disk-full" in lab.output.getvalue()


def test_cells_of_a_dead_host_run_elsewhere(lab: ClusterLab) -> None:
    lab.start("alpha", "beta")

    def kill() -> None:
        wait_for(lambda: lab.noted("hangs"))
        ((_, pid),) = lab.noted("hangs")
        assert alive(int(pid))
        lab.kill("alpha")
        wait_for(lambda: not alive(int(pid)))

    with meanwhile(kill):
        lab.run_on(2, guests_there.hangs_on_alpha)
    manifests = lab.manifests().values()
    assert [manifest["host"]["name"] for manifest in manifests] == ["beta"] * 4
    moves = [move for manifest in manifests for move in manifest.get("moves", [])]
    assert moves == [{"host": "alpha", "why": "it was lost"}]
    assert len(lab.noted("ran")) == 4
    assert "host alpha: it was lost; 1 cell must run elsewhere" in lab.output.getvalue()


def test_without_its_scheduler_a_run_ends_and_resumes(lab: ClusterLab) -> None:
    lab.start("alpha", "beta")

    def kill() -> None:
        wait_for(lambda: len(lab.manifests()) == 2 and lab.noted("hangs"))
        lab.kill("scheduler")

    with meanwhile(kill), pytest.raises(InfrastructureError, match="the scheduler at tcp"):
        lab.run_on(2, guests_there.first_ends)
    assert len(lab.noted("ran")) == len(lab.manifests()) == 2
    for host in ("alpha", "beta"):
        lab.kill(host)
    lab.start_scheduler()
    lab.start("gamma")
    (lab.notes / "go").touch()
    folder = lab.run_on(1, guests_there.first_ends)
    assert len(folder.verdicts()) == len(lab.noted("ran")) == 4


def test_an_interrupted_run_leaves_no_guest_on_any_host(lab: ClusterLab) -> None:
    lab.start("alpha", "beta")

    def interrupt() -> None:
        wait_for(lambda: len(lab.noted("hangs")) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    with meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        lab.run_on(2, guests_there.hangs)
    pids = [int(pid) for _, pid in lab.noted("hangs")]
    assert len(pids) == 2 and not any(map(alive, pids))
    assert list(lab.path.glob("cells/*")) == list(lab.path.glob("cells/.*")) == []
    assert list(lab.folder.glob("*/cache/memnotify/cell/*")) == []


def test_a_slow_host_does_not_hold_up_the_run(
    lab: ClusterLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.executors.dask_cells.SLOW_S", 2.0)
    lab.start("alpha", "beta")
    lab.run_on(2, guests_there.slow_on_alpha)
    manifests = lab.manifests().values()
    assert [manifest["host"]["name"] for manifest in manifests] == ["beta"] * 4
    (move,) = [move for manifest in manifests for move in manifest.get("moves", [])]
    assert move["host"] == "alpha" and move["why"].startswith("slow: ")
    assert len(lab.noted("ran")) == 4


def test_a_slow_host_that_fails_does_not_end_the_copy_elsewhere(
    lab: ClusterLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.executors.dask_cells.SLOW_S", 2.0)
    lab.start("alpha", "beta")
    lab.run_on(2, guests_there.slow_on_alpha_and_fails)
    assert len(lab.noted("failed")) == len(lab.noted("copy")) == 1
    manifests = lab.manifests().values()
    assert [len(manifest["attempts"]) for manifest in manifests] == [1] * 4
    assert [manifest["host"]["name"] for manifest in manifests] == ["beta"] * 4
    (move,) = [move for manifest in manifests for move in manifest.get("moves", [])]
    assert move == {"host": "alpha", "why": "qemu-died: it failed late"}
    assert len(lab.noted("ran")) == 4


def test_cells_are_verified_on_a_second_host(lab: ClusterLab) -> None:
    lab.start("alpha")
    with pytest.raises(InfrastructureError, match="there is no host except alpha"):
        lab.run_on(1, guests_there.other_records_on_beta, verify=2)
    assert len(lab.manifests()) == 4
    lab.start("beta")
    lab.run_on(2, guests_there.other_records_on_beta, verify=2)
    found = json.loads((lab.path / "verified.json").read_text())
    assert [each["hosts"] for each in found] == [["alpha", "beta"]] * 2
    assert [(each["same"], each["detail"]) for each in found] == [
        (False, f"record {each['records'] - 1}: END time_ns 30000000000 and 30000000001")
        for each in found
    ]
    lab.run_on(2, guests_there.quick, verify=4)
    found = json.loads((lab.path / "verified.json").read_text())
    assert [(each["same"], each["hosts"][1]) for each in found] == [(True, "beta")] * 4
    assert {manifest["host"]["name"] for manifest in lab.manifests().values()} == {"alpha"}


def other_qemu(lab: ClusterLab) -> str:
    """Return a PATH with a QEMU of another version."""
    folder = lab.folder / "bin"
    folder.mkdir()
    program = folder / "qemu-system-x86_64"
    program.write_text("#!/bin/sh\necho QEMU emulator version 99.0\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_host_with_another_qemu_is_told_and_gets_no_cells(lab: ClusterLab) -> None:
    path = other_qemu(lab)
    lab.start("alpha", PATH=path)
    with pytest.raises(InputError, match=r"alpha has QEMU emulator version 99\.0, here QEMU"):
        lab.run_on(1, guests_there.quick)
    assert lab.noted("ran") == []
    lab.start("beta")
    lab.run_on(2, guests_there.quick)
    assert {host for host, _ in lab.noted("ran")} == {"beta"}
    assert "alpha has QEMU emulator version 99.0" in lab.output.getvalue()


def test_cells_go_to_hosts_that_have_the_tags_of_the_run(lab: ClusterLab) -> None:
    lab.start("alpha")
    lab.start("beta", DASK_DISTRIBUTED__WORKER__RESOURCES__FAST="1000")
    lab.run_on(2, guests_there.quick, tags=("fast",))
    assert [host for host, _ in lab.noted("ran")] == ["beta"] * 4
    told = "host alpha has no tag fast: it gets no cells of this run"
    assert lab.output.getvalue().count(told) == 1
    with pytest.raises(InputError, match="every host of the cluster has no tag fast, slow"):
        lab.run_on(2, guests_there.quick, tags=("fast", "slow"), again=True)
    # What workers find out is no matter of tags that somebody wrote.
    lab.run_on(2, guests_there.quick, tags=(platform.machine(),), again=True)
    if kvm_problem() is None:
        lab.run_on(2, guests_there.quick, tags=("kvm",), again=True)
    else:
        with pytest.raises(InputError, match=r"every host of the cluster cannot use KVM \(--accel"):
            lab.run_on(2, guests_there.quick, tags=("kvm",), again=True)


def test_a_cluster_that_does_not_answer(lab: ClusterLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.run.executors.dask_connection._CONNECT_S", 2.0)
    lab.kill("scheduler")
    with pytest.raises(InfrastructureError, match="cannot connect to the scheduler at tcp://"):
        lab.run_on(1, guests_there.quick)
    assert not RunFolder(lab.path).begun


def test_what_workers_say_is_told_when_none_can_run_cells(lab: ClusterLab) -> None:
    with pytest.raises(InfrastructureError, match=r"no worker has joined tcp://\S+ in 2 s \("):
        lab.run_on(1, guests_there.quick, patience_s=2.0)
    lab.start("alpha", XDG_CACHE_HOME="/dev/null/none")
    said = (
        r"1 worker of tcp://\S+ joined, and it cannot run cells; tcp://\S+ says: alpha: "
        r"\[Errno 20\] Not a directory: '/dev/null/none\S*' \(start workers"
    )
    wait_for(lambda: "Registered to" in lab.said("alpha"))
    with pytest.raises(InfrastructureError, match=said):
        lab.run_on(1, guests_there.quick, patience_s=2.0)


def without_memnotify(lab: ClusterLab) -> str:
    """Return a PYTHONPATH on which memnotify is none."""
    fake = lab.folder / "fake/memnotify"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise ImportError('there is no memnotify here')\n")
    return str(fake.parent)


def test_workers_without_memnotify_are_told(lab: ClusterLab) -> None:
    lab.start("alpha", "beta", PYTHONPATH=without_memnotify(lab))
    wait_for(lambda: all("Registered to" in lab.said(host) for host in ("alpha", "beta")))
    said = r"2 workers of .* joined, and none of them can .*'there is no memnotify here'"
    with pytest.raises(InfrastructureError, match=said):
        lab.run_on(2, guests_there.quick, patience_s=2.0)


def test_a_worker_that_cannot_run_cells_does_not_hold_up_the_others(lab: ClusterLab) -> None:
    lab.start("alpha", PYTHONPATH=without_memnotify(lab))
    wait_for(lambda: "Registered to" in lab.said("alpha"))
    lab.start("beta")
    lab.run_on(1, guests_there.quick)
    assert {host for host, _ in lab.noted("ran")} == {"beta"}


def test_a_run_on_one_host_does_not_import_dask() -> None:
    modules = "memnotify.cli.run, memnotify.run.campaign, memnotify.run.executors.local, sys"
    code = f"import {modules}; sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
