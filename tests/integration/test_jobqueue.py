"""Hosts from a batch system. There is no Slurm here: made-up commands start jobs as processes."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from memnotify.cli.cluster import add_cluster
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.places import HOME
from memnotify.run.executors import jobqueue
from memnotify.run.executors.protocol import Cluster
from memnotify.run.living import Process

from tests.support import guests_there
from tests.support.cluster_lab import ClusterLab
from tests.support.processes import alive

pytest.importorskip("dask_jobqueue")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and a configuration of jobs."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # Dask reads its configuration when it is imported.
    import dask

    with dask.config.set({"jobqueue.slurm.cores": 1, "jobqueue.slurm.memory": "2GiB"}):
        yield tmp_path / "home"


def test_nobody_reads_pages_of_scheduler_or_jobs(home: Path) -> None:
    import dask

    with (
        dask.config.set({"jobqueue.slurm.job-script-prologue": ["module load qemu"]}),
        jobqueue._cluster("slurm") as (made, _),
    ):
        before, _, after = made.job_script().partition("module load qemu\n")
        assert before and "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'\n" in after
        port = made.scheduler_info["services"]["dashboard"]
        with pytest.raises(HTTPError) as caught:
            urlopen(f"http://127.0.0.1:{port}/health", timeout=20)
    assert caught.value.code == 404


def test_the_script_of_a_job(home: Path) -> None:
    script = jobqueue.job_script("slurm")
    assert "#SBATCH --cpus-per-task=1" in script and "#SBATCH --mem=2G" in script
    (command,) = (line for line in script.splitlines() if "distributed.cli.dask_worker" in line)
    # Of two limits the last counts.
    assert re.findall(r"--memory-limit (\S+)", command)[-1] == "0"
    assert " tls://" in command and "--no-dashboard" in command
    assert set(re.findall(r"--tls-\S+ (\S+/)", command)) == {
        next(iter(re.findall(rf"--tls-cert ({home}/\.memnotify-\w+/)", command)))
    }
    assert list(home.iterdir()) == []


def test_keys_of_a_run_that_was_killed_are_removed_by_the_next_one(home: Path) -> None:
    """Those of a run that goes on, or that another node may still have, stay."""
    code = (
        "import dask, os, signal; from memnotify.run.executors import jobqueue\n"
        "dask.config.set({'jobqueue.slurm.cores': 1, 'jobqueue.slurm.memory': '2GiB'})\n"
        "with jobqueue._cluster('slurm'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(HOME / "orchestrator")}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = home.glob(".memnotify-*")
    assert (left / "key.pem").exists()
    told = json.loads((left / "owner.json").read_text())
    for name, owner, old in (
        ("mine", asdict(Process.of(os.getpid())), False),
        ("there", {"pid": 1, "began": 1, "node": "another"}, False),
        ("long-ago", {"pid": 1, "began": 1, "node": "another"}, True),
        ("same-name", {"pid": 1, "began": 1, "boot": "of another node"}, False),
        ("container", {"pid": 1, "began": 1, "numbers": "pid:[1]"}, False),
        ("before", {"pid": 1, "began": 1, "boot": "of another node"}, True),
    ):
        folder = home / f".memnotify-{name}"
        folder.mkdir()
        (folder / "owner.json").write_text(json.dumps(told | owner))
        if old:
            os.utime(folder / "owner.json", (10**9, 10**9))
    jobqueue.job_script("slurm")
    kept = {path.name for path in home.glob(".memnotify-*")}
    names = ("mine", "there", "same-name", "container")
    assert kept == {f".memnotify-{name}" for name in names}


def made_up(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_campaign_in_two_jobs(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = tmp_path / "bin"
    # A copy: the script that is submitted is removed when this returns, as it is with Slurm.
    # Closed descriptors: whoever submits a job does not wait for its end.
    copy = 'cp "$1" "$HOME/$$.sh" || exit 1'
    start = 'setsid sh "$HOME/$$.sh" >"$HOME/$$.log" 2>&1 </dev/null &'
    told = 'echo "Submitted batch job $!"\necho $! >>"$HOME/jobs"'
    made_up(commands, "sbatch", f"{copy}\n{start}\n{told}")
    made_up(commands, "scancel", 'kill -- "-$1"')
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{HOME}:{HOME / 'orchestrator'}")
    monkeypatch.setenv(guests_there.HOST, "node")
    lab = ClusterLab(tmp_path)
    monkeypatch.setenv(guests_there.NOTES, str(lab.notes))
    with jobqueue.jobs("slurm", 2) as cluster:
        assert cluster.address.startswith("tls://") and cluster.tls is not None
        assert {file.stat().st_mode & 0o777 for file in cluster.tls.ca.parent.iterdir()} == {0o600}
        both = Cluster(address=cluster.address, tls=cluster.tls, hosts=2)
        monkeypatch.setattr(lab, "cluster", lambda hosts, patience_s: both)
        folder = lab.run_on(2, guests_there.quick)
        stranger = Cluster(address=cluster.address.replace("tls", "tcp"))
        monkeypatch.setattr(lab, "cluster", lambda hosts, patience_s: stranger)
        with pytest.raises(InfrastructureError, match="cannot connect to the scheduler"):
            lab.run_on(1, guests_there.quick, again=True)
    names = {f"{os.uname().nodename}-{number}" for number in (0, 1)}
    assert set(re.findall(r"host (\S+): \d+ cores", capsys.readouterr().err)) == names
    assert len(folder.verdicts()) == len(lab.noted("ran")) == 4
    hosts = {manifest["host"]["name"] for manifest in lab.manifests().values()}
    assert hosts <= names
    pids = [int(pid) for pid in (home / "jobs").read_text().split()]
    assert len(pids) == 2 and not any(map(alive, pids))
    assert not [file for file in home.iterdir() if file.name.startswith(".memnotify")]


def test_a_configuration_that_says_too_little(home: Path) -> None:
    with pytest.raises(InputError, match=r"--jobqueue pbs: .* cores and memory per job"):
        jobqueue.job_script("pbs")


@pytest.mark.parametrize(
    "system", ["cron", "slurm:0", "slurm:000", "slurm:x", "slurm:", "slurm:٠", "slurm:4٠"]
)
def test_another_system(system: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "campaigns/demo.toml", "--jobqueue", system])
    assert "is not a system such as slurm:4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "count"), [("slurm", 1), ("slurm:4", 4), ("slurm:00005", 5), ("slurm:1000", 1000)]
)
def test_as_many_jobs_as_are_named(text: str, count: int) -> None:
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    assert parser.parse_args(["--jobqueue", text]).jobqueue == ("slurm", count)


def test_more_jobs_than_any_cluster_has(capsys: pytest.CaptureFixture[str]) -> None:
    for count in ("1001", "01001", "9" * 5000):
        with pytest.raises(SystemExit, match="2"):
            main(["run", "campaigns/demo.toml", "--jobqueue", f"slurm:{count}"])
        (line,) = (line for line in capsys.readouterr().err.splitlines() if "slurm:" in line)
        assert "are more than 1000 jobs" in line and len(line) < 200
