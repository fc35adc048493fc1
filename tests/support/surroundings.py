"""A small world for whole commands, and what stands around the process that runs them.

The world has a home of the project with a base, two series and a campaign, a kernel tree that
compiles in a second, and a made-up QEMU. `World.work` does everything in it that a user does, from
the source to a report, and returns the results, without the names of the world's folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import memnotify
import pytest
from memnotify.guest.qemu import QEMU
from memnotify.places import IMAGES, PATCHES
from memnotify.text import printable

from tests.support.archive_forms import as_mail
from tests.support.archives import clean_patch
from tests.support.campaign_text import head, scenario
from tests.support.docker_seccomp import SKIP
from tests.support.fakekernel import TREE, Lab

PACKAGE = Path(memnotify.__file__).parent
FAKEMAIL = Path(__file__).parents[1] / "integration" / "fakemail"
EXAMPLE = "mem_notify/v4/original/3-of-5.txt"
VMSTAT = (TREE / "mm/vmstat.c").read_text(encoding="utf-8")
MAIL = {
    "From": "Ada Lux <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH 3/5] make lamps tell",
    "Message-Id": "<1@example.org>",
}
CAMPAIGN = head(
    "small", series=["none", "v2"], memory_mib=64, machine="pc", scenario="quiet"
) + scenario(
    "quiet",
    (0, 'clients = { kind = "poll", count = 1 }'),
    start_s=2,
    duration_s=2,
    log_records=2000,
)
ROLES = ("store", "run", "tmp", "home", "tree", "checkout", "work")
SECONDS = 300
_TIMES = re.compile(
    r'"(?:wall_)?seconds": [\d.e+-]+|\b\d\d:\d\d:\d\d\b|\b\d+(?:\.\d+)? s\b|\| +\d+\.\d+ +(?=\|)'
)
# Said now and then: how often depends on the host's speed.
_PROGRESS = re.compile(r"^.*: \d+ (?:of (?:at most|about) \d+ )?files? compiled\n", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """What stands around a command.

    `env` is added to a plain environment, without the variables in `unset`. `around` is a command
    that runs the command. In both, `{role}` is the folder of that role, and `{root}` that of the
    world. `names` are the names of folders, by role; `files` are below HOME. `prepare` is a shell
    script that is run in the finished world. `encoding` is that of the output.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    encoding: str = "utf-8"


@dataclass
class World:
    """One world below a folder that every user may enter."""

    root: Path
    around: Surrounding

    def place(self, role: str) -> Path:
        """Return a folder: its name is the role, or what the surrounding calls it."""
        return self.root / role / self.around.names.get(role, role)

    def build(self, image: Path) -> None:
        """Make everything; `image` is the artifact that the guest program is in."""
        for role in ROLES:
            self.place(role).mkdir(parents=True)
        for name, text in self.around.files.items():
            file = self.place("home") / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self.place("tree").rmdir()
        shutil.copytree(TREE, self.place("tree"))
        self._checkout()
        shutil.copytree(image, self.place("store") / "memnotify/image" / image.name)
        tools = self.root / "bin"
        tools.mkdir()
        text = Path(__file__).with_name("made_qemu.py").read_text(encoding="utf-8")
        program = tools / QEMU
        program.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
        program.chmod(0o755)
        (tools / "plan").touch()
        (tools / "plan").chmod(0o666)  # QEMU may run as another user
        mail = clean_patch(FAKEMAIL / "old", FAKEMAIL / "new", MAIL)
        (self.root / "mail.eml").write_bytes(as_mail(mail, mail.lines))
        (self.root / "small.toml").write_text(CAMPAIGN, encoding="utf-8")
        if self.around.prepare:
            done = subprocess.run(["sh", "-ec", self.filled(self.around.prepare)], check=False)
            if done.returncode == SKIP:
                pytest.skip("this machine lacks what the surrounding is made with")
            done.check_returncode()

    def _checkout(self) -> None:
        checkout = self.place("checkout")
        lab = Lab(checkout).set_up()
        lab.add_series("v1", mm__vmstat_c=VMSTAT + "\nint first; /* für Umlaute */\n")
        lab.add_series("v2", mm__vmstat_c=VMSTAT + "\nint second;\n", mm__extra_c="int extra;\n")
        (checkout / "patches").mkdir()
        lab.series.rename(checkout / "patches/mem_notify")
        base = lab.kernels / "6.1.toml"
        base.write_text(base.read_text(encoding="utf-8").replace(str(lab.hold), "/nonexistent"))
        (checkout / "images").symlink_to(IMAGES)
        (checkout / "campaigns").mkdir()
        (checkout / "campaigns/small.toml").write_text(CAMPAIGN, encoding="utf-8")
        example = checkout / "patches" / EXAMPLE
        example.parent.mkdir(parents=True)
        shutil.copyfile(PATCHES / EXAMPLE, example)
        if "checkout" in self.around.names:
            shutil.copytree(PACKAGE, checkout / "orchestrator/memnotify")

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the commands."""
        checkout = self.place("checkout")
        plain = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.place("home")),
            "XDG_CACHE_HOME": str(self.place("store")),
            "TMPDIR": str(self.place("tmp")),
            "LC_ALL": "C.UTF-8",
        }
        if "checkout" not in self.around.names:
            plain["MEMNOTIFY_HOME"] = str(checkout)
        given = {name: self.filled(value) for name, value in self.around.env.items()}
        found = {**plain, **given}
        return {name: value for name, value in found.items() if name not in self.around.unset}

    def filled(self, text: str) -> str:
        """Return a text of a surrounding with the names of this world's folders."""
        for role in ROLES:
            text = text.replace(f"{{{role}}}", str(self.place(role)))
        return text.replace("{root}", str(self.root))

    def commands(self) -> dict[str, list[str]]:
        """Return everything that a user does, in order, by name."""
        run, tree = str(self.place("run")), str(self.place("tree"))
        return {
            "fetch": ["kernel", "fetch", "6.1", "--source", tree],
            "apply": ["series", "apply", "v1", "--base", "6.1", "--check"],
            "diff": ["series", "diff", "v1", "v2"],
            "import": [
                *("series", "import", str(self.root / "mail.eml")),
                *("--tree", str(FAKEMAIL / "old"), "-o", str(self.root / "imported")),
            ],
            "build": ["kernel", "build", "6.1", "--series", "v1", "--source", tree, "--json"],
            "run": ["run", str(self.root / "small.toml"), f"-o={run}", "--cold", "-j", "1"],
            "show": ["show", run, "--json"],
            "check": ["check", run],
            "report": ["report", run, "-o", str(self.root / "report.md")],
            "doctor": ["doctor", "--json"],
        }

    def start(
        self, words: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one program in the surrounding."""
        return subprocess.run(
            [*map(self.filled, self.around.around), *words],
            env={**self.environment, **(env or {})},
            cwd=self.place("work"),
            timeout=SECONDS,
            **options,
        )

    def work(self, commands: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
        """Run commands, and return for each its status and output, and what the files hold."""
        plan, result = self.root / "plan.json", self.root / "result.json"
        package = self.place("checkout") / "orchestrator"
        path = package if "checkout" in self.around.names else PACKAGE.parent
        commands = self.commands() if commands is None else commands
        asked = {"path": str(path), "result": str(result), "commands": commands}
        plan.write_text(json.dumps(asked), encoding="utf-8")
        driver = str(Path(__file__).with_name("surrounded.py"))
        done = self.start([sys.executable, driver, str(plan)], capture_output=True)
        if done.returncode == SKIP:
            pytest.skip(f"not possible here: {' '.join(self.around.around)}")
        assert result.exists(), (done.stdout + done.stderr)[-4000:].decode(errors="replace")
        found: dict[str, Any] = json.loads(result.read_bytes())
        for told in found.values():
            told["out"] = self.plain(self._decoded(told["out"]))
        if "doctor" in found:
            found["doctor"]["out"] = _states(found["doctor"]["out"])
        found["files"] = self.files()
        return found

    def _decoded(self, text: str) -> str:
        return text.encode("utf-8", "surrogateescape").decode(self.around.encoding)

    def plain(self, text: str) -> str:
        """Return a text without the names of our folders, and without times of the host."""
        for role in ROLES:
            name = str(self.place(role))
            for form in (name, printable(name), json.dumps(name)[1:-1]):
                text = text.replace(form, f"<{role}>")
        return _TIMES.sub("<time>", _PROGRESS.sub("", text.replace(str(self.root), "<root>")))

    def files(self) -> dict[str, str]:
        """Return the digests of what was made: imported patches, kernels, cells, reports."""
        found: dict[str, str] = {}
        kernels = self.place("store") / "memnotify/kernel"
        for top, names in (
            (self.root / "imported", ("*",)),
            (kernels, ("*/bzImage", "*/System.map", "*/config")),
            (self.place("run"), ("cells/*/records.parquet", "cells/*/console.log", "plan.json")),
            (self.root, ("report.md",)),
        ):
            for file in sorted(file for name in names for file in top.glob(name)):
                if file.is_file():
                    data = file.read_bytes()
                    if file.suffix in (".md", ".json"):
                        data = self.plain(data.decode()).encode()
                    found[str(file.relative_to(top))] = hashlib.sha256(data).hexdigest()
        return found


def _states(text: str) -> str:
    """Return the checks of doctor without what they found: that is of this host and of now."""
    return "\n".join(f"{row['name']}: {row['state']}" for row in json.loads(text))
