"""Hosts for a fleet, as namespaces of this machine: each has its own sshd, user, address and files.

A host is one process tree in namespaces of its own (network, processes, mounts, name), which is
gone with all it started when its first process is killed, as a host is whose power fails. The hosts
hang on a bridge in another network namespace, in which commands of the fleet run too. So nothing of
the machine is changed, and nothing is left, however the tests end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memnotify.places import HOME

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
_NET = "10.97.83"
_HUB = f"""\
ip link set lo up
ip link add br0 type bridge
ip address add {_NET}.1/24 dev br0
ip link set br0 up
echo ready
exec sleep infinity
"""
# $1: the name, $2: the user, $3: the folder with its files, $4: sshd.
_HOST = """\
set -e
hostname "$1"
mount -t tmpfs tmpfs /run
mkdir /run/sshd
cp "$3"/etc/* /run/sshd/
chmod 600 /run/sshd/host
mount --bind /run/sshd/passwd /etc/passwd
mount --bind /run/sshd/shadow /etc/shadow
mount -t tmpfs tmpfs /home
mkdir "/home/$2"
mount --bind "$3/home" "/home/$2"
[ ! -e "$3/small" ] || mount -t tmpfs -o size=$(cat "$3/small"),mode=1777 tmpfs /srv
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ip link set lo up
echo ready
read -r address
"$4" -D -e -f /run/sshd/config &
echo started
wait
"""
_CONFIG = """\
Port 22
HostKey /run/sshd/host
AuthorizedKeysFile /run/sshd/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
Subsystem sftp internal-sftp
SetEnv PATH={path}
"""
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_UID = 20_000


@dataclass
class NetHost:
    """A host. `outside` is the process here that keeps it, `inside` its first process."""

    name: str
    user: str
    address: str
    folder: Path
    number: int
    outside: subprocess.Popen[str]
    inside: int

    def cut_off(self) -> None:
        """Take the cable out."""
        self.outer("ip", "link", "set", "eth0", "down")

    def put_back(self) -> None:
        self.outer("ip", "link", "set", "eth0", "up")

    def kill(self) -> None:
        """Let the power fail."""
        self.outside.kill()
        self.outside.wait()

    def outer(self, *words: str) -> str:
        """Run a command as root in the namespaces of the host."""
        into = ["nsenter", "-t", str(self.inside), "-n", "-m", "-p", "-u", "--"]
        done = subprocess.run([*into, *words], check=True, capture_output=True, text=True)
        return done.stdout

    def processes(self) -> list[str]:
        """Return the command lines of its user's processes."""
        words = ["ps", "-u", str(_UID + self.number), "-o", "args=", "ww"]
        into = ["nsenter", "-t", str(self.inside), "-m", "-p", "--"]
        done = subprocess.run([*into, *words], check=False, capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if not line.startswith("sshd")]

    def files(self) -> list[str]:
        """Return the files in its user's home, and those of the user elsewhere."""
        places = [f"/home/{self.user}", "/tmp", "/srv", "/run", "/dev/shm", "/var/tmp"]
        # Not every machine has all of them, and other tests make and remove files there.
        there = self.outer("sh", "-c", f"ls -d {' '.join(places)} || true").split()
        assert len(there) > 3
        find = ["find", *there, "-ignore_readdir_race", "-xdev", "-user", self.user]
        found = self.outer(*find).split()
        return sorted(set(found) - {f"/home/{self.user}"})


@dataclass
class NetLab:
    """Hosts on a bridge, and the place here from which they are reached."""

    folder: Path
    hub: subprocess.Popen[str]
    hosts: dict[str, NetHost] = field(default_factory=dict)

    @property
    def client(self) -> Path:
        """The home of whoever runs commands here."""
        return self.folder / "client"

    def add(self, name: str, *, path: Sequence[Path] = (), small: str | None = None) -> NetHost:
        """Start a host. `path` is searched first there; `small` is the size of its /srv."""
        number = len(self.hosts) + 1
        user, address = f"user{number}", f"{_NET}.{number + 10}"
        folder = self.folder / name
        etc, home = folder / "etc", folder / "home"
        etc.mkdir(parents=True)
        home.mkdir()
        os.chown(home, _UID + number, _UID + number)
        home.chmod(0o755)
        if small is not None:
            (folder / "small").write_text(small)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", etc / "host"], check=True
        )
        shutil.copy(self.client / "id.pub", etc / "authorized")
        passwd = Path("/etc/passwd").read_text()
        own = f"{user}:x:{_UID + number}:{_UID + number}::/home/{user}:/bin/sh\n"
        (etc / "passwd").write_text(passwd + own)
        (etc / "shadow").write_text(
            f"root:*:19000::::::\nsshd:*:19000::::::\n{user}:*:19000::::::\n"
        )
        words = ":".join([*map(str, path), _PATH])
        (etc / "config").write_text(_CONFIG.format(path=words))
        unshare = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]
        outside = subprocess.Popen(
            [*unshare, "--kill-child", "sh", "-c", _HOST, "sh", name, user, str(folder), str(SSHD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "log").open("w"),
            text=True,
        )
        _expect(outside, "ready", folder / "log")
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
        inside = int(children[0])
        cable = ["ip", "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0"]
        self.here([*cable, "netns", str(inside)])
        self.here(["ip", "link", "set", f"v{number}", "master", "br0", "up"])
        host = NetHost(name, user, address, folder, number, outside, inside)
        host.outer("ip", "address", "add", f"{address}/24", "dev", "eth0")
        host.outer("ip", "link", "set", "eth0", "up")
        assert outside.stdin is not None
        outside.stdin.write(address + "\n")
        outside.stdin.flush()
        _expect(outside, "started", folder / "log")
        with (self.client / ".ssh" / "known_hosts").open("a") as known:
            known.write(f"{address} {(etc / 'host.pub').read_text()}")
        self.hosts[name] = host
        return host

    def hosts_file(self, **more: str) -> Path:
        """Write a hosts.toml with all hosts; `more` has lines for some of them, by name."""
        text = ""
        for host in self.hosts.values():
            own = more.get(host.name, "")
            key = "" if own.startswith("key") else 'key = "id"'
            text += f'[[host]]\nname = "{host.name}"\naddress = "{host.user}@{host.address}"\n'
            text += f"{key}\n{own}\n"
        file = self.client / "hosts.toml"
        file.write_text(text)
        return file

    def here(
        self, words: Sequence[str], *, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine from which the hosts are reached."""
        done = self.start(words)
        try:
            out, err = done.communicate(timeout=timeout)
        except BaseException:
            done.kill()
            raise
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command there."""
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        environment = os.environ | {
            "HOME": str(self.client),
            "XDG_CACHE_HOME": cache,
            "PYTHONPATH": str(HOME / "orchestrator"),
        }
        return subprocess.Popen(
            ["nsenter", "-t", str(self.hub.pid), "-n", "--", *words],
            env=environment,
            cwd=self.client,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def memnotify(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return self.here([sys.executable, "-m", "memnotify", *words], timeout=timeout)


def _expect(process: subprocess.Popen[str], word: str, log: Path) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == word, f"{line!r}: {log.read_text()}"


def refuse() -> None:
    """Skip the test, with the reason, where hosts cannot be made."""
    if SSHD is None:
        pytest.skip("there is no sshd (Debian's package openssh-server)")
    for program in ("ip", "nsenter", "unshare", "ssh-keygen"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    words = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c"]
    tried = subprocess.run(
        [*words, "mount -t tmpfs tmpfs /srv && ip link add br0 type bridge"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        pytest.skip(f"namespaces are not allowed here: {tried.stderr.strip()}")


@contextmanager
def net_lab(folder: Path) -> Iterator[NetLab]:
    """Make a lab without hosts; everything ends with the context."""
    refuse()
    (folder / "client" / ".ssh").mkdir(parents=True)
    key = folder / "client" / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    hub = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", _HUB], stdout=subprocess.PIPE, text=True
    )
    lab = NetLab(folder, hub)
    try:
        assert hub.stdout is not None
        assert hub.stdout.readline() == "ready\n"
        yield lab
    finally:
        for host in lab.hosts.values():
            host.kill()
        hub.kill()
        hub.wait()
        time.sleep(0.1)
