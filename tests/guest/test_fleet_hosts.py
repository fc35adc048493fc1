"""A fleet of hosts that are namespaces: real ssh, real guests, and what happens to real hosts.

The tests share one fleet, and run in their order: each takes something from it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from memnotify.guest.qemu import QEMU
from memnotify.results.folder import RunFolder

from tests.support.bases import modern
from tests.support.netns_lab import NetHost, NetLab, net_lab

pytestmark = [pytest.mark.guest, pytest.mark.xdist_group("fleet")]

CAMPAIGN = """\
name = "fleet"
[kernel]
base = "BASE"
arch = "x86_64"
[matrix]
series = ["v4"]
memory_mib = [64]
clients = CLIENTS
machine = "pc-swap"
scenario = "squeeze"
[scenario.squeeze]
start_s = 10.0
duration_s = SECONDS
sample_ms = 500.0
log_records = 16384
[[scenario.squeeze.step]]
at_s = 0.0
clients = { kind = "poll", count = "matrix" }
[[scenario.squeeze.step]]
at_s = 2.0
hog = { rate_mib_s = 6, ceiling_percent = 120 }
"""
OTHER_QEMU = f"""#!/bin/sh
[ "$1" = --version ] && echo "QEMU emulator version 99.0 (other)" && exit
exec {shutil.which(QEMU)} "$@"
"""
SMALL = "8m"  # a kernel does not fit


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetLab]:
    """Four hosts of use, and two that cannot take part."""
    folder = tmp_path_factory.mktemp("net")
    other = folder / "bin"
    other.mkdir()
    with net_lab(folder) as lab:
        for name in ("one", "two", "three"):
            lab.add(name)
        lab.add("full", small=SMALL)
        strange = lab.add("strange", path=[Path("/home/user5/bin")])
        (strange.folder / "home/bin").mkdir()
        (strange.folder / "home/bin" / QEMU).write_text(OTHER_QEMU)
        (strange.folder / "home/bin" / QEMU).chmod(0o755)
        lab.add("locked")
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.client / "wrong"], check=True
        )
        yield lab


@pytest.fixture(scope="module")
def hosts(lab: NetLab) -> Path:
    return lab.hosts_file(full='store = "/srv"', locked='key = "wrong"')


@pytest.fixture(scope="module")
def fleet(lab: NetLab, hosts: Path) -> Iterator[dict[str, dict[str, object]]]:
    """What `fleet up --json` prints for each host."""
    done = lab.memnotify("fleet", "up", str(hosts), "--json")
    assert done.returncode == 3, done.stderr
    yield {host["name"]: host for host in json.loads(done.stdout)["hosts"]}
    lab.memnotify("fleet", "down", str(hosts))


def run(
    lab: NetLab, hosts: Path, clients: range, *, seconds: float = 8.0
) -> tuple[subprocess.Popen[str], RunFolder]:
    text = CAMPAIGN.replace("BASE", modern()).replace("CLIENTS", str(list(clients)))
    file = lab.client / f"{clients.start}.toml"
    file.write_text(text.replace("SECONDS", str(seconds)))
    folder = lab.client / f"run-{clients.start}"
    words = ["run", str(file), "--fleet", str(hosts), "-o", str(folder), "--json"]
    return lab.start([sys.executable, "-m", "memnotify", *words]), RunFolder(folder)


def results(process: subprocess.Popen[str], folder: RunFolder) -> tuple[Counter[str], str]:
    """Wait for a run in which every cell succeeds; return the cells of each host, and its words."""
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    rows = json.loads(out)
    assert {row["outcome"] for row in rows} == {"ok"}
    cells = [folder.cell(row["id"]) for row in rows]
    manifests = [json.loads((cell / "manifest.json").read_text()) for cell in cells]
    assert len(folder.plan()) == len(rows) == len(list((folder.path / "cells").iterdir()))
    return Counter(manifest["host"]["name"] for manifest in manifests), err


def moves(folder: RunFolder) -> dict[str, str]:
    """Return the hosts that had cells in vain, each with a reason."""
    found: dict[str, str] = {}
    for cell in (folder.path / "cells").iterdir():
        found |= {move.host: move.why for move in folder.manifest(cell.name).moved()}
    return found


def wait(condition: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def done_cells(folder: RunFolder) -> int:
    return len(list(folder.path.glob("cells/*/verdict.json")))


def test_hosts_that_cannot_take_part_are_told_at_the_start(
    fleet: dict[str, dict[str, object]],
) -> None:
    assert {name: host["state"] for name, host in fleet.items()} == {
        "one": "up",
        "two": "up",
        "three": "up",
        "full": "up",
        "strange": "failed",
        "locked": "failed",
    }
    assert "its QEMU differs: 'QEMU emulator version 99.0 (other)' there, " in str(
        fleet["strange"]["detail"]
    )
    assert "Authentication failed" in str(fleet["locked"]["detail"])


def test_nothing_is_left_on_a_host_that_failed(
    lab: NetLab, fleet: dict[str, dict[str, object]]
) -> None:
    strange = lab.hosts["strange"]
    assert strange.processes() == []
    assert [file for file in strange.files() if "bin" not in file] == []
    assert len(lab.hosts["one"].files()) > 100


def test_a_campaign_uses_all_hosts_but_the_one_whose_disk_is_full(
    lab: NetLab, hosts: Path, fleet: dict[str, dict[str, object]]
) -> None:
    ran, said = results(*(started := run(lab, hosts, range(1, 13))))
    assert ran.keys() == {"one", "two", "three"} and ran.total() == 12
    assert "host full gets no more cells: disk-full" in said
    assert "disk-full" in moves(started[1])["full"]


@pytest.fixture
def slow(lab: NetLab) -> Iterator[NetHost]:
    """Give a host a twentieth of a core."""
    host = lab.hosts["two"]
    group, quota = cgroup(host)
    pids = host_processes(host)
    try:
        quota()
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"no control group: {error}")
    yield host
    for pid in host_processes(host):
        (group.parent / "cgroup.procs").write_text(str(pid))
    group.rmdir()


def cgroup(host: NetHost) -> tuple[Path, Callable[[], object]]:
    """Return a new control group, and what limits it."""
    for parent in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        group = parent / f"memnotify-{host.inside}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "cpu.max").exists():
            return group, partial((group / "cpu.max").write_text, "5000 100000")
        if (group / "cpu.cfs_quota_us").exists():
            return group, partial((group / "cpu.cfs_quota_us").write_text, "5000")
        group.rmdir()
    pytest.skip("control groups of CPUs cannot be made here")


def host_processes(host: NetHost) -> list[int]:
    """Return all processes of a host, by their numbers here."""
    mine = os.readlink(f"/proc/{host.inside}/ns/net")  # noqa: PTH115
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/net") == mine:  # noqa: PTH115
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_slow_host_does_not_hold_up_the_others(
    lab: NetLab, hosts: Path, fleet: dict[str, dict[str, object]], slow: NetHost
) -> None:
    ran, _ = results(*run(lab, hosts, range(20, 32)))
    assert ran.total() == 12
    assert ran["two"] <= 2
    assert ran["one"] >= 3 and ran["three"] >= 3


def test_hosts_that_are_cut_off_or_die_lose_no_cell(
    lab: NetLab, hosts: Path, fleet: dict[str, dict[str, object]]
) -> None:
    process, folder = run(lab, hosts, range(40, 64))
    wait(lambda: done_cells(folder) >= 3, 200)
    lab.hosts["two"].cut_off()
    lab.hosts["three"].kill()
    finished = {path.parent.name for path in folder.path.glob("cells/*/verdict.json")}
    ran, said = results(process, folder)
    assert ran.total() == 24 and ran["one"] >= 10
    assert finished <= {path.name for path in folder.path.glob("cells/*")}
    assert "host two: it was lost" in said and "host three: it was lost" in said
    assert moves(folder).keys() <= {"two", "three", "full"}
    status = lab.memnotify("fleet", "status", str(hosts), "--json")
    assert status.returncode == 3
    states = {host["name"]: host["state"] for host in json.loads(status.stdout)["hosts"]}
    assert (states["one"], states["two"], states["three"]) == ("up", "gone", "gone")


def test_a_host_that_was_cut_off_ends_its_guests_by_itself(lab: NetLab) -> None:
    two = lab.hosts["two"]
    wait(lambda: not [line for line in two.processes() if QEMU in line], 60)


def test_a_host_that_is_back_gets_cells_again(lab: NetLab, hosts: Path) -> None:
    process, folder = run(lab, hosts, range(110, 126))
    wait(lambda: done_cells(folder) >= 1, 200)
    lab.hosts["two"].put_back()
    ran, said = results(process, folder)
    assert "host two: " in said and ran["two"] >= 1 and ran.total() == 16
    lab.hosts["two"].cut_off()


def test_ctrl_c_ends_the_guests_of_all_hosts(lab: NetLab, hosts: Path) -> None:
    process, _ = run(lab, hosts, range(70, 90), seconds=60.0)
    one = lab.hosts["one"]
    wait(lambda: [line for line in one.processes() if QEMU in line], 300)
    process.send_signal(signal.SIGTERM)  # as Ctrl-C, which a caller may have ignored
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in err
    wait(lambda: not [line for line in one.processes() if QEMU in line], 10)


def test_down_leaves_nothing_on_the_hosts_that_can_be_reached(lab: NetLab, hosts: Path) -> None:
    done = lab.memnotify("fleet", "down", str(hosts))
    assert done.returncode == 3
    assert "something may be left on two, three: repeat the command" in done.stderr
    assert (lab.hosts["one"].processes(), lab.hosts["one"].files()) == ([], [])
    full = lab.hosts["full"]
    assert full.processes() == []
    assert {file.split("/")[1] for file in full.files()} == {"srv"}  # a store that is named stays
    lab.hosts["two"].put_back()
    assert lab.memnotify("fleet", "down", str(hosts)).returncode == 3
    assert (lab.hosts["two"].processes(), lab.hosts["two"].files()) == ([], [])
    del lab.hosts["three"]


def test_a_fleet_for_one_run_comes_and_goes(lab: NetLab) -> None:
    shutil.rmtree(lab.client / ".local")
    hosts = lab.client / "two.toml"
    lab.hosts_file(full='store = "/srv"').rename(hosts)
    text = hosts.read_text().split("[[host]]")
    kept = [part for part in text if '"one"' in part or '"two"' in part]
    one = lab.hosts["one"]
    alias = (
        f"Host first\n HostName {one.address}\n User {one.user}\n IdentityFile {lab.client}/id\n"
    )
    (lab.client / ".ssh/config").write_text(alias)
    kept[0] = '\nname = "one"\naddress = "first"\n'
    hosts.write_text("".join(f"[[host]]{part}" for part in kept))
    ran, said = results(*run(lab, hosts, range(100, 104)))
    assert ran.total() == 4 and "2 hosts of 2 up" in said and "Mismatched" not in said
    for name in ("one", "two"):
        assert (lab.hosts[name].processes(), lab.hosts[name].files()) == ([], [])
    left = [path for path in (lab.client / ".local").rglob("*") if path.is_file()]
    assert left == []
    scheduler = subprocess.run(
        ["nsenter", "-t", str(lab.hub.pid), "-n", "ss", "-Hltn"], capture_output=True, text=True
    )
    assert scheduler.stdout == ""


def test_check_asks_doctor_there_and_leaves_nothing(lab: NetLab) -> None:
    hosts = lab.client / "check.toml"
    lab.hosts_file(locked='key = "wrong"').rename(hosts)
    done = lab.memnotify("fleet", "check", str(hosts), "--json")
    assert done.returncode == 3, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert {name: row["fit"] for name, row in found.items()} == {
        "one": True,
        "two": True,
        "full": True,
        "strange": False,
        "locked": False,
    }
    assert {"qemu", "sandboxed guest"} <= {row["name"] for row in found["one"]["doctor"]}
    for name in ("one", "two"):
        assert (lab.hosts[name].processes(), lab.hosts[name].files()) == ([], [])


def test_a_host_with_a_key_that_is_not_known_is_refused(lab: NetLab) -> None:
    known = lab.client / ".ssh/known_hosts"
    others = [
        line for line in known.read_text().splitlines() if lab.hosts["one"].address not in line
    ]
    known.write_text("\n".join(others) + "\n")
    hosts = lab.client / "unknown.toml"
    lab.hosts_file().rename(hosts)
    hosts.write_text("[[host]]" + hosts.read_text().split("[[host]]")[1])
    for command in ("check", "up"):
        done = lab.memnotify("fleet", command, str(hosts))
        assert done.returncode == 3
        assert "not found in known_hosts" in " ".join((done.stdout + done.stderr).split())
