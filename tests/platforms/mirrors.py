"""The distributions, and how this host reaches the mirrors of their packages and of PyPI."""

from __future__ import annotations

import ast
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# What apt needs to reach the mirror as the host does. Nothing else of the host's configuration.
APT_OPTIONS = re.compile(r"^Acquire::(https?::|Check-Valid-Until|Check-Date|Retries)")


class Unusable(Exception):
    """This host cannot run the distribution; the text says what to do."""


@dataclass(frozen=True)
class Distro:
    """A distribution: its name, what debootstrap calls it, and the Origin of its mirrors."""

    name: str
    suite: str
    origin: str
    components: str = "main"
    keyring: str = "/usr/share/keyrings/debian-archive-keyring.gpg"


UBUNTU_KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
DISTROS = (
    Distro("debian-12", "bookworm", "Debian"),
    Distro("debian-13", "trixie", "Debian"),
    Distro("debian-testing", "testing", "Debian"),
    Distro("ubuntu-24.04", "noble", "Ubuntu", "main,universe", UBUNTU_KEYRING),
)


def output_of(words: Sequence[str]) -> str:
    """Return what a command of the host prints, or nothing if there is no such command."""
    try:
        done = subprocess.run(words, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout


def mirror_of(distro: Distro) -> str:
    """Return a mirror from the host's own apt sources."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    for line in output_of(["apt-get", "indextargets", "--format", form]).splitlines():
        origin, label, address = line.split("|", 2)
        # Security updates are another repository of the same origin.
        if origin == label == distro.origin:
            return address
    raise Unusable(
        f"the apt sources of this machine have no mirror of {distro.origin}: "
        "name one with --mirror ADDRESS"
    )


def apt_configuration() -> str:
    """Return those lines of the host's apt configuration that tell how a mirror is reached."""
    lines = output_of(["apt-config", "dump"]).splitlines()
    return "".join(f"{line}\n" for line in lines if APT_OPTIONS.match(line))


def pip_configuration() -> dict[str, str]:
    """Return how pip on the host reaches its index; the environment wins, as it does for pip."""
    settings: dict[str, str] = {}
    lines = output_of([sys.executable, "-m", "pip", "config", "list"]).splitlines()
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        with contextlib.suppress(SyntaxError, ValueError):
            settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def pip_conf(settings: Mapping[str, str], root: Path) -> tuple[str, list[Path]]:
    """Return a pip.conf for a chroot, and the folders of the host that it names.

    Files (certificates, constraints) are copied: packages of the chroot own some of those paths.
    """
    folders: list[Path] = []
    lines = ["[global]"]
    for name, value in settings.items():
        words = []
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.is_dir():
                # A simple index refers to the files beside it.
                folders.append(path.parent if path.name == "simple" else path)
            elif path.is_absolute() and path.is_file():
                copy = root / "etc" / "host" / path.name
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, copy)
                word = f"/etc/host/{path.name}"
            words.append(word)
        lines.append(f"{name} = {' '.join(words)}")
    return "\n".join(lines) + "\n", folders
