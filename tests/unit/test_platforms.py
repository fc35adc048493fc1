"""tests/platforms/run: what it takes over from the host, and what it reads from a log."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.places import CAMPAIGNS

from tests.platforms import mirrors, platforms

LOG = """\
12 cells: 12 ok, 0 findings, 0 infrastructure failures
results in runs/demo
============ 3 failed, 2000 passed, 4 skipped in 61.50s (0:01:01) =============
make: *** [Makefile:60: test] Error 1
"""


def test_the_line_that_sums_a_part_up() -> None:
    assert platforms.said(LOG, "demo") == "12 cells: 12 ok, 0 findings, 0 infrastructure failures"
    assert platforms.said(LOG, "test") == "3 failed, 2000 passed, 4 skipped in 61.50s (0:01:01)"
    assert platforms.said(LOG, "id") == "make: *** [Makefile:60: test] Error 1"
    assert platforms.said("", "demo") == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)", "10.0.13"),
        ("GNU Make 4.4.1", "4.4.1"),
        ("ldd (Debian GLIBC 2.41-12+deb13u5) 2.41", "2.41"),
        ("bash: gcc: command not found", "?"),
    ],
)
def test_versions(text: str, number: str) -> None:
    assert platforms.number(text) == number


def test_pip_finds_its_index_as_on_the_host(tmp_path: Path) -> None:
    root, index, certificate = tmp_path / "root", tmp_path / "index/simple", tmp_path / "ca.crt"
    (root / "etc").mkdir(parents=True)
    index.mkdir(parents=True)
    certificate.write_text("ours")
    settings = {"extra-index-url": f"file://{index}", "cert": str(certificate), "timeout": "9"}
    text, folders = mirrors.pip_conf(settings, root)
    assert text.splitlines() == [
        "[global]",
        f"extra-index-url = file://{index}",
        "cert = /etc/host/ca.crt",
        "timeout = 9",
    ]
    assert folders == [index.parent]
    assert (root / "etc/host/ca.crt").read_text() == "ours"


def test_apt_tells_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "Debian|Debian-Security|http://security.example/debian/\n"
        "Other|Other|http://other.example/\n"
        "Debian|Debian|http://mirror.example/debian/\n"
    )
    monkeypatch.setattr(mirrors, "output_of", lambda words: lines)
    debian, ubuntu = mirrors.DISTROS[0], mirrors.DISTROS[-1]
    assert mirrors.mirror_of(debian) == "http://mirror.example/debian/"
    with pytest.raises(mirrors.Unusable, match=r"no mirror of Ubuntu.*--mirror"):
        mirrors.mirror_of(ubuntu)


def test_only_what_reaches_a_mirror_is_taken_from_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        'Acquire::http::Proxy "http://proxy.example";\n'
        'Acquire::Check-Date "false";\n'
        'Dir::Etc "etc/apt";\n'
        'Acquire::Languages "none";\n'
    )
    monkeypatch.setattr(mirrors, "output_of", lambda words: lines)
    assert mirrors.apt_configuration().splitlines() == lines.splitlines()[:2]


def test_results_are_added_to_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole program, with a machine that runs nothing."""
    ran: list[str] = []

    def run(
        made: platforms.Machine, command: str, timeout: float, *, user: str | None = None
    ) -> int:
        ran.append(command)
        made.log.parent.mkdir(parents=True, exist_ok=True)
        with made.log.open("a") as log:
            log.write({"make demo": "2 cells: 2 ok\n", "false": "that is wrong\n"}.get(command, ""))
        return int(command == "false")

    subprocess.run(["git", "init", "--quiet", tmp_path / "checkout"], check=True)
    monkeypatch.setattr(platforms, "CHECKOUT", tmp_path / "checkout")
    (tmp_path / "debian-13/base/etc").mkdir(parents=True)
    (tmp_path / "debian-13/base/etc/os-release").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platforms.Machine, "run", run)
    monkeypatch.setattr(platforms, "mirror_of", lambda distro: "http://mirror.example")
    words = ["debian-13", "--folder", str(tmp_path), "--json", str(tmp_path / "results.json")]
    assert platforms.main([*words, "--as", "root", "--as", "container", "--only", "demo"]) == 0
    assert platforms.main([*words, "--as", "root", "--run", "false"]) == 1
    assert [command for command in ran if command == "make test"] == []
    results = json.loads((tmp_path / "results.json").read_text())
    told = [(each["distro"], each["user"], each["part"], each["status"]) for each in results]
    assert told == [
        ("debian-13", "root", "demo", 0),
        ("debian-13", "container", "demo", 0),
        ("debian-13", "root", "false", 1),
    ]
    assert [each["said"] for each in results] == ["2 cells: 2 ok"] * 2 + ["that is wrong"]
    assert results[0]["versions"].keys() == platforms.VERSIONS.keys()
    assert all(each.keys() == {*platforms.Result.__annotations__} for each in results)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| debian")]
    assert [row.split(" | ")[3] for row in rows] == ["ok", "ok", "failed"]


@pytest.mark.parametrize("user", ["user", "refused"])
def test_an_administrator_installs_what_a_user_may_not(user: str, tmp_path: Path) -> None:
    asked = "this needs an administrator, as you are not root and sudo refused: apt-get install x\n"

    class Told(platforms.Machine):
        def run(self, command: str, timeout: float, *, user: str | None = None) -> int:
            with self.log.open("a") as log:
                log.write(asked if command == "make packages" else f"{user}: {command}\n")
            return 0

    made = Told(user, tmp_path, "", (), tmp_path / "log")
    list(platforms.run_parts(mirrors.DISTROS[0], made, {"demo": "make demo"}, 1))
    lines = made.log.read_text().splitlines()
    assert lines[1] == "root: export DEBIAN_FRONTEND=noninteractive; apt-get install x"
    assert lines[2] == "None: make demo"


def test_the_campaign_for_a_compiler_squeezes_as_the_demo() -> None:
    file, demo = platforms.HERE / "compiler.toml", CAMPAIGNS / "demo.toml"
    cells = plan_cells(load_campaign(file))
    (squeezed,) = [cell for cell in cells if cell.scenario.name == "squeeze"]
    assert squeezed.scenario in {cell.scenario for cell in plan_cells(load_campaign(demo))}
    assert {cell.scenario.name for cell in cells} == {"squeeze", "self-check"}
    assert squeezed.scenario.steps[0].processes == 200
