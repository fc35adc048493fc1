"""`make packages` on machines that are not this one: Debian's programs are stand-ins."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from memnotify import places


def listed(variable: str) -> list[str]:
    text = (places.HOME / "Makefile").read_text("utf-8")
    found = re.search(rf"^{variable} := ((?:.*\\\n)*.*)", text, re.MULTILINE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


NAMES = listed("PACKAGES")


class Machine:
    """Stand-ins in a folder that is all that PATH has; what apt-get and sudo were asked for."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.asked = folder / "bin", folder / "asked"
        self.environment: dict[str, str] = {}
        self.bin.mkdir()
        self.asked.touch()
        for name in ("bash", "sed", "grep", "env", "make", "date", "touch"):
            path = shutil.which(name)
            assert path is not None
            (self.bin / name).symlink_to(path)
        self.program("apt-get", f'echo "apt-get $*" >> {self.asked}')
        self.program("id", "echo 0")
        self.lists("linux-source-6.1\n")
        self.installed(dict.fromkeys(NAMES, ""))

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/bash\n{text}\n")
        (self.bin / name).chmod(0o755)

    def user(self, *, sudo: bool) -> None:
        self.program("id", "echo 1000")
        if sudo:
            self.program("sudo", f'echo "sudo $*" >> {self.asked}')

    def lists(self, names: str) -> None:
        self.program("apt-cache", f'[ "$*" = "pkgnames linux-source-" ] && printf "{names}"; true')

    def installed(self, provides: dict[str, str], *, removed: str = "nothing") -> None:
        """Let dpkg know packages, and what each provides; one of them has only left its files."""
        lines = [f"installed {name}, {what}" for name, what in provides.items()]
        text = "\n".join([*lines, f"config-files {removed}, "])
        self.program("dpkg-query", f"cat <<'END'\n{text}\nEND")
        (self.bin / "cat").unlink(missing_ok=True)
        path = shutil.which("cat")
        assert path is not None
        (self.bin / "cat").symlink_to(path)

    def make(self, *words: str, goal: str = "packages") -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "make"), "-s", goal, f"SHELL={self.bin}/bash", *words]
        environment = {"PATH": str(self.bin)} | self.environment
        return subprocess.run(
            command, cwd=places.HOME, env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def without(name: str) -> dict[str, str]:
    return {other: "" for other in NAMES if other != name}


def test_nothing_is_installed_where_nothing_is_missing(machine: Machine) -> None:
    done = machine.make()
    assert (done.returncode, done.stdout, machine.asked.read_text()) == (0, "", "")


def test_what_another_package_provides_is_installed(machine: Machine) -> None:
    renamed = {"libarchive13t64": "libarchive13 (= 3.7.4-4), libarchive-any (= 3)"}
    machine.installed(without("libarchive13") | renamed)
    assert machine.make().stdout == ""
    machine.installed(without("libarchive13") | {"libarchive13x": "xlibarchive13 (= 1)"})
    assert machine.make().stdout == "installing libarchive13\n"


def test_root_installs_what_is_missing(machine: Machine) -> None:
    machine.installed(without("flex"), removed="flex")
    done = machine.make()
    assert (done.returncode, done.stdout) == (0, "installing flex\n")
    update, install = machine.asked.read_text().splitlines()
    assert update == "apt-get update -qq"
    assert install.endswith(" -y --no-install-recommends flex")


def test_a_user_installs_by_sudo(machine: Machine) -> None:
    machine.user(sudo=True)
    machine.installed(without("flex"))
    assert machine.make().returncode == 0
    asked = machine.asked.read_text().splitlines()
    assert [line.split()[:2] for line in asked] == [["sudo", "apt-get"], ["sudo", "env"]]


def test_a_user_without_sudo_is_given_the_line_for_an_administrator(machine: Machine) -> None:
    machine.user(sudo=False)
    assert machine.make().returncode == 0
    machine.installed(without("flex"))
    done = machine.make()
    assert done.returncode != 0
    assert done.stdout == (
        "this needs an administrator, as you are not root and there is no sudo: "
        "apt-get update && apt-get install -y --no-install-recommends flex\n"
    )
    assert machine.asked.read_text() == ""


@pytest.mark.parametrize("refused", ["*", "env*"])
def test_a_user_whom_sudo_refuses_is_given_the_line_too(machine: Machine, refused: str) -> None:
    machine.user(sudo=True)
    machine.program("sudo", f'[[ "$*" != {refused} ]]')
    machine.installed(without("flex"))
    done = machine.make()
    assert done.returncode != 0
    assert done.stdout.splitlines() == [
        "installing flex",
        "this needs an administrator, as you are not root and sudo refused: "
        "apt-get update && apt-get install -y --no-install-recommends flex",
    ]


def test_apt_that_fails_under_sudo_is_no_matter_for_an_administrator(machine: Machine) -> None:
    machine.user(sudo=True)
    machine.program("sudo", "exit 100")
    machine.installed(without("flex"))
    done = machine.make()
    assert (done.returncode, done.stdout) == (2, "installing flex\n")


@pytest.mark.parametrize("status", [1, 100])
def test_lists_that_cannot_be_fetched_do_not_matter_if_nothing_is_missing(
    machine: Machine, status: int
) -> None:
    machine.lists("")
    machine.user(sudo=True)
    machine.program("sudo", f"exit {status}")
    done = machine.make()
    assert done.returncode == 0
    assert done.stdout.count("administrator") == (status == 1)


def test_a_variable_of_the_user_changes_nothing(machine: Machine) -> None:
    machine.environment = {"SIDE_BY_SIDE": "1", "SPLIT": "1"}
    machine.installed(without("flex"))
    assert machine.make("-j4").stdout == "installing flex\n"
    assert len(machine.asked.read_text().splitlines()) == 2


def test_package_lists_are_fetched_where_there_are_none(machine: Machine) -> None:
    machine.lists("")
    assert machine.make().returncode == 0
    assert machine.asked.read_text() == "apt-get update -qq\n"
    machine.asked.write_text("")
    machine.user(sudo=False)
    done = machine.make()
    assert (done.returncode, machine.asked.read_text()) == (0, "")
    assert done.stdout.endswith("there is no sudo: apt-get update\n")


def test_a_demo_installs_in_an_order_that_lets_other_work_begin(
    machine: Machine, tmp_path: Path
) -> None:
    stages = tmp_path / "stages"
    absent = {"python3-venv", "gdb", "flex"}
    machine.installed({name: "" for name in NAMES if name not in absent})
    split = ("SIDE_BY_SIDE=1", f"STAGES={stages}", "-j4")
    done = machine.make(*split)
    assert (done.returncode, done.stderr) == (0, "")
    update, *installs = machine.asked.read_text().splitlines()
    assert update == "apt-get update -qq"
    # The stand-ins install nothing, so a group also asks for what those before it wanted.
    last = [line.partition("recommends ")[2].split() for line in installs]
    assert last == [["python3-venv"], ["flex", "python3-venv"], ["flex", "gdb", "python3-venv"]]
    rows = [line.split("\t") for line in stages.read_text().splitlines()]
    assert [name for name, *_ in rows] == ["packages"] * 3
    assert all(float(began) <= float(ended) for _, began, ended in rows)


def test_a_demo_fetches_the_lists_once_before_they_are_read(
    machine: Machine, tmp_path: Path
) -> None:
    machine.installed(without("flex"))
    words = ("SIDE_BY_SIDE=1", f"STAGES={tmp_path / 'stages'}")
    assert machine.make(*words, goal="packages-first").returncode == 0
    assert machine.asked.read_text() == "apt-get update -qq\n"
    assert machine.make(*words).returncode == 0
    assert machine.asked.read_text().count("update") == 2
    # Whatever fetches a kernel begins after this group.
    assert "ca-certificates" in listed("FIRST")


def test_a_demo_gives_an_administrator_one_line_with_everything(
    machine: Machine, tmp_path: Path
) -> None:
    machine.user(sudo=False)
    machine.installed({name: "" for name in NAMES if name not in ("gdb", "flex")})
    done = machine.make("SIDE_BY_SIDE=1", f"STAGES={tmp_path / 'stages'}", "-j4")
    assert done.returncode != 0
    assert done.stdout.endswith("apt-get install -y --no-install-recommends flex gdb\n")
    assert done.stdout.count("administrator") == 1


def test_other_distributions_are_told_what_to_install(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    done = machine.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "not a Debian machine, so nothing is installed; "
        f"please install what these packages hold: {' '.join(NAMES)}\n"
    )
    machine.program("pacman", "exit 1")
    assert "on Arch, this installs what is needed: pacman -S --needed bc " in machine.make().stdout
    machine.program("dnf", "exit 1")
    assert "on Fedora, this installs what is needed: dnf install bc " in machine.make().stdout
    assert machine.make().stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "command"), [("FEDORA", "dnf install"), ("ARCH", "pacman -S --needed")]
)
def test_the_manual_names_the_same_packages(variable: str, command: str) -> None:
    found = re.search(
        rf"{command} ([^`]*)`", (places.HOME / "docs/howto/install.md").read_text("utf-8")
    )
    assert found is not None
    assert found[1].split() == listed(variable)
