"""Runs `make demo` and `make test` on other distributions, in chroots: docs/reference/platforms.md.

It needs root, debootstrap, and a mirror of the distribution, but nothing of `.venv`. Each command
runs in its own mount and process namespace: however it ends, it leaves no mount and no process.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from tests.platforms.mirrors import (
    DISTROS,
    Distro,
    Unusable,
    apt_configuration,
    mirror_of,
    output_of,
    pip_conf,
    pip_configuration,
)

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
INSIDE = HERE / "inside.sh"
FOLDER = Path("/var/tmp/memnotify-platforms")
# What README asks for: a machine with git, make and python3.
BASE_PACKAGES = "git,make,python3"
USERS = ("root", "sudo", "user", "refused", "container")
# What sudo lets a user do, by kind of user.
SUDO = {
    "sudo": "tester ALL=(ALL) NOPASSWD: ALL",
    "refused": "tester ALL=(ALL) NOPASSWD: ALL, !/usr/bin/apt-get, !/usr/bin/env",
}
SMALL_SHM = "64m"
UID = 1000
COMMANDS = {"demo": "make demo", "test": "make test"}
VERSIONS = {
    "Python": "python3 --version",
    "gcc": "gcc -dumpfullversion",
    "make": "make --version",
    "QEMU": "qemu-system-x86_64 --version",
    "glibc": "ldd --version",
}


@dataclass(frozen=True)
class Result:
    """The result of one command in one distribution as one user."""

    distro: str
    user: str
    part: str
    status: int
    seconds: float
    said: str
    versions: Mapping[str, str]
    date: str
    commit: str
    log: str


def isolated(
    words: Sequence[str | Path], log: Path | None, env: Mapping[str, str], timeout: float
) -> int:
    """Run a command in namespaces of its own and return its exit status, 124 after a timeout."""
    # The signal reaches unshare if this process dies, and --kill-child all that unshare started.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    command += ["--kill-child", "--propagation", "private", *(str(word) for word in words)]
    with contextlib.ExitStack() as stack:
        sink = subprocess.DEVNULL if log is None else stack.enter_context(log.open("ab"))
        child = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            child.kill()
            child.wait()


@dataclass(frozen=True)
class Machine:
    """A distribution as one kind of user, in an overlay of its base system."""

    user: str
    folder: Path
    layers: str
    binds: tuple[tuple[Path, str], ...]
    log: Path

    def run(self, command: str, timeout: float, *, user: str | None = None) -> int:
        """Run a shell command in the checkout as the user, or as another one."""
        user = user or self.user
        shm = SMALL_SHM if user == "container" else ""
        binds = "\n".join(f"{host}\t{inside}" for host, inside in self.binds)
        env = {"LAYERS": self.layers, "BINDS": binds}
        line = f"cd memnotify 2>/dev/null; {command}"
        with self.log.open("a") as log:
            log.write(f"\n$ {command}    # as {user}\n")
        words: list[str | Path] = ["bash", INSIDE, user, shm, self.folder / "root"]
        words += ["bash", "-c", line]
        return isolated(words, self.log, env, timeout)

    def tell(self, command: str) -> str:
        """Return the last line that a command in it prints; nothing if it fails."""
        before = self.log.stat().st_size if self.log.exists() else 0
        status = self.run(f"{command} 2>&1 | head -n 1", 60)
        text = self.log.read_bytes()[before:].decode(errors="replace")
        return "" if status else text.rstrip().rpartition("\n")[2]


def base_system(distro: Distro, mirror: str, folder: Path) -> Path:
    """Return the folder of a base system, made by debootstrap the first time."""
    base = folder / "base"
    if (base / "etc" / "os-release").exists():
        return base
    if not shutil.which("debootstrap"):
        raise Unusable("this needs debootstrap: apt-get install debootstrap")
    if not Path(distro.keyring).exists():
        raise Unusable(f"{distro.name} needs {distro.keyring}, which a package of its keyring has")
    fresh = folder / "base.new"
    shutil.rmtree(fresh, ignore_errors=True)
    log = folder / "debootstrap.log"
    print(f"{distro.name}: debootstrap, see {log}", flush=True)
    words: list[str | Path] = ["debootstrap", "--variant=minbase", f"--keyring={distro.keyring}"]
    words += [f"--include={BASE_PACKAGES}", f"--components={distro.components}"]
    if isolated([*words, distro.suite, fresh, mirror], log, {}, 1800):
        raise Unusable(f"debootstrap failed: the mirror may lack {distro.suite}, see {log}")
    fresh.rename(base)
    return base


@contextlib.contextmanager
def machine(
    distro: Distro, base: Path, folder: Path, user: str, *, keep: bool, store: bool
) -> Iterator[Machine]:
    """Make a machine of a base system: configuration, user, and a clone of this checkout."""
    place = folder / user
    upper = place / "upper"
    if not keep:
        shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
    for part in (upper, place / "work", place / "root"):
        part.mkdir(parents=True, exist_ok=True)
    (upper / "etc" / "apt" / "apt.conf.d").mkdir(parents=True, exist_ok=True)
    (upper / "etc" / "apt" / "apt.conf.d" / "00host").write_text(apt_configuration())
    conf, folders = pip_conf(pip_configuration(), upper)
    (upper / "etc" / "pip.conf").write_text(conf)
    shutil.copyfile("/etc/resolv.conf", upper / "etc" / "resolv.conf")
    # sudo looks for the name of the machine.
    (upper / "etc" / "hosts").write_text(f"127.0.0.1 localhost {os.uname().nodename}\n")

    plain = user in ("sudo", "user", "refused")
    home = "/home/tester" if plain else "/root"
    archives = folder / "archives"
    archives.mkdir(exist_ok=True)
    binds = [(path, str(path)) for path in folders]
    # Each user downloads the same packages.
    binds.append((archives, "/var/cache/apt/archives"))
    binds += [
        (Path(path), str(path))
        for name, path in os.environ.items()
        if name.startswith("MEMNOTIFY_SOURCE_")
    ]
    if store:
        uid = UID if plain else 0
        kept = folder / f"store-{uid}"
        kept.mkdir(exist_ok=True)
        os.chown(kept, uid, uid)
        binds.append((kept, f"{home}/.cache/memnotify"))

    layers = f"lowerdir={base},upperdir={upper},workdir={place / 'work'}"
    made = Machine(user, place, layers, tuple(binds), place / "log")
    checkout = upper / home.removeprefix("/") / "memnotify"
    if not checkout.exists():
        if plain:
            made.run(f"useradd -u {UID} -m tester", 60, user="root")
        if user in SUDO:
            install = "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y sudo"
            rule = f"echo {shlex.quote(SUDO[user])} >/etc/sudoers.d/tester"
            made.run(f"apt-get update -qq && {install} && {rule}", 600, user="root")
        words = ["git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(checkout)]
        subprocess.run(words, check=True)
        if plain:
            made.run(f"chown -R tester: {home}", 60, user="root")
    try:
        yield made
    finally:
        if not keep:
            shutil.rmtree(place / "upper", ignore_errors=True)
            shutil.rmtree(place / "work", ignore_errors=True)


def administrator_line(made: Machine) -> str:
    """Have a user ask for the packages in vain; return the line for the administrator."""
    made.run("make packages", 600)
    asked = re.findall(r"this needs an administrator.*?: (.*)", made.log.read_text("utf-8"))
    return asked[-1] if asked else ""


def said(log: str, part: str) -> str:
    """Return the line of a log that sums it up."""
    patterns = {"demo": r"^\d+ cells: .*", "test": r"^=+ (.*(?:passed|failed).*?) =+$"}
    found = list(re.finditer(patterns.get(part, r"(?!)"), log, re.MULTILINE))
    if found:
        return found[-1].group(found[-1].lastindex or 0)
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1][:100] if lines else ""


def number(text: str) -> str:
    """Return the version number in what a program says of itself."""
    found = re.search(r"\d+\.\d+(?:\.\d+)*", text)
    return found.group() if found else "?"


def run_parts(
    distro: Distro, made: Machine, parts: Mapping[str, str], timeout: float
) -> Iterator[Result]:
    """Run parts one after the other; the first may install what the others need."""
    if made.user in ("user", "refused"):
        line = administrator_line(made)
        if line:
            made.run(f"export DEBIAN_FRONTEND=noninteractive; {line}", 3600, user="root")
    commit = output_of(["git", "-C", str(CHECKOUT), "rev-parse", "--short=10", "HEAD"]).strip()
    for part, command in parts.items():
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
        print(f"{distro.name}, {made.user}: {command}, see {made.log}", flush=True)
        before = made.log.stat().st_size if made.log.exists() else 0
        started = time.monotonic()
        status = made.run(command, timeout)
        seconds = time.monotonic() - started
        text = made.log.read_bytes()[before:].decode(errors="replace")
        versions = {name: number(made.tell(words)) for name, words in VERSIONS.items()}
        summary = said(text, part)
        log = str(made.log)
        yield Result(
            distro.name, made.user, part, status, seconds, summary, versions, date, commit, log
        )


def row(result: Result) -> str:
    """Return a result as a line of a Markdown table."""
    version = result.versions
    cells = [result.distro, result.user, result.part, "ok" if result.status == 0 else "failed"]
    cells += [f"{result.seconds / 60:.1f}", result.said, result.date.split()[0]]
    cells.append(", ".join(f"{name} {version[name]}" for name in version))
    return "| " + " | ".join(cells) + " |"


TITLE = (
    "| distribution | user | part | result | minutes | last line | date | versions |\n"
    "|---|---|---|---|---|---|---|---|"
)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="tests/platforms/run",
        description="Run make demo and make test of the checkout's last commit on a distribution.",
    )
    names = [name for distro in DISTROS for name in (distro.name, distro.suite)]
    parser.add_argument("distro", choices=names, metavar="DISTRO", help=", ".join(names))
    parser.add_argument(
        "--only", action="append", choices=tuple(COMMANDS), help="run this part only; repeatable"
    )
    parser.add_argument(
        "--as",
        dest="users",
        action="append",
        choices=USERS,
        help="as this user only: root, one with sudo, one without, one whom sudo refuses what "
        "installs packages, or root in a container without "
        "/dev/kvm, with a read-only /sys and /proc/sys, 64 MiB of /dev/shm and Docker's default "
        "capabilities; repeatable",
    )
    parser.add_argument(
        "--run", metavar="COMMAND", help="run this shell command in the checkout, and no part"
    )
    parser.add_argument(
        "--mirror", metavar="ADDRESS", help="of the distribution's packages (from apt's sources)"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, metavar="DIR", help=f"for the systems ({FOLDER})"
    )
    parser.add_argument(
        "--store", action="store_true", help="keep ~/.cache/memnotify for the next user and run"
    )
    parser.add_argument("--keep", action="store_true", help="keep a user's system, and go on in it")
    parser.add_argument(
        "--timeout", type=float, default=180, metavar="MINUTES", help="of a part (180)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="add the results to this list of objects"
    )
    return parser.parse_args(words)


def add_to(file: Path, results: Sequence[Result]) -> None:
    """Add results to a JSON list."""
    old = json.loads(file.read_text("utf-8")) if file.exists() else []
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(json.dumps(old + [asdict(each) for each in results], indent=1) + "\n")
    fresh.replace(file)


def main(words: Sequence[str] | None = None) -> int:
    """Run the program."""
    options = arguments(words)
    if os.geteuid() != 0:
        raise Unusable("this needs root, for debootstrap and chroot")
    distro = next(each for each in DISTROS if options.distro in (each.name, each.suite))
    parts = {name: COMMANDS[name] for name in options.only or COMMANDS}
    if options.run:
        parts = {shlex.split(options.run)[0]: options.run}
    folder = options.folder.absolute() / distro.name
    folder.mkdir(parents=True, exist_ok=True)
    # The configuration of pip and apt, which is copied there, may hold secrets.
    options.folder.chmod(0o700)
    base = base_system(distro, options.mirror or mirror_of(distro), folder)

    results: list[Result] = []
    try:
        for user in options.users or USERS:
            with machine(
                distro, base, folder, user, keep=options.keep, store=options.store
            ) as made:
                results += run_parts(distro, made, parts, options.timeout * 60)
    finally:
        if options.json is not None:
            add_to(options.json, results)
        print("\n".join([TITLE, *(row(result) for result in results)]), flush=True)
    return int(any(result.status for result in results))


def ended(number: int, _: object) -> NoReturn:
    """End on a signal as on Ctrl-C, which cleans up."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGHUP, ended)
    try:
        sys.exit(main())
    except (Unusable, OSError, subprocess.CalledProcessError) as error:
        print(f"platforms: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
