"""Folders of the user's own beside memnotify's: bases, series, machines and campaigns."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from memnotify import places
from memnotify.campaign.load import load_campaign
from memnotify.cli.doctor import CheckLevel, _folders
from memnotify.cli.main import main
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.kernel.base import bases, load_base
from memnotify.kernel.build import kernel_inputs
from memnotify.model import Arch, KernelRequest
from memnotify.places import IMAGES, KERNELS, PATCHES
from memnotify.series.quilt import load_series, revisions
from memnotify.series.revision import load_revision

from tests.support.fakekernel import TREE, Lab

CAMPAIGN = """\
name = "own"
[kernel]
base = "mine"
[matrix]
series = ["none", "v4", "mine-too"]
memory_mib = 64
machine = "box"
scenario = "s"
[scenario.s]
duration_s = 10
step = [{ at_s = 0, clients = { kind = "poll", count = 1 } }]
"""

FRAGMENTS = '["testbed.config", "x86_64.config", "mine.config"]'


def write(folder: Path) -> Path:
    """Write a base like 6.1 with a fragment of its own, a port of v4, a revision and a machine."""
    (folder / "kernels/fragments").mkdir(parents=True)
    text = (KERNELS / "6.1.toml").read_text()
    text = text.replace('["testbed.config", "x86_64.config"]', FRAGMENTS, 1)
    (folder / "kernels/mine.toml").write_text(text)
    (folder / "kernels/fragments/mine.config").write_text("CONFIG_KSM=y\n")
    ours = folder / "patches/mem_notify"
    shutil.copytree(PATCHES / "mem_notify/v4/6.1", ours / "v4/mine")
    shutil.copytree(PATCHES / "mem_notify/v4/6.1", ours / "mine-too/mine")
    (ours / "mine-too/revision.toml").write_text('based_on = "v4"\nwithout = ["zoneinfo"]\n')
    (folder / "images/machines").mkdir(parents=True)
    shutil.copy(IMAGES / "machines/pc-swap.toml", folder / "images/machines/box.toml")
    (folder / "campaigns").mkdir()
    (folder / "campaigns/own.toml").write_text(CAMPAIGN)
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write(tmp_path / "own")
    monkeypatch.setenv(places.PATH, str(folder))
    return folder


def test_what_a_folder_has_is_found_beside_ours(own: Path) -> None:
    assert {"mine", "6.1"} <= set(bases())
    base = load_base("mine")
    assert base.file == own / "kernels/mine.toml"
    mine = own / "kernels/fragments/mine.config"
    ours = KERNELS / "fragments/testbed.config"
    assert base.config(Arch.X86_64)[0] == ours and base.config(Arch.X86_64)[-1] == mine
    assert "mine" in revisions()["v4"] and "6.1" in revisions()["v4"]
    assert load_series("v4", "mine").patches[0].path.parent == own / "patches/mem_notify/v4/mine"
    promised, v4 = load_revision("mine-too"), load_revision("v4")
    assert promised is not None and v4 is not None
    assert (promised.guard, promised.zoneinfo) == (v4.guard, None) and v4.zoneinfo is not None
    assert load_machine("box").swap_mib == load_machine("pc-swap").swap_mib
    campaign = load_campaign(own / "campaigns/own.toml")
    assert campaign.table.kernel.base == ["mine"]


def test_a_key_does_not_tell_where_a_file_was(tmp_path: Path, own: Path) -> None:
    """The base of the lab, in its own folder and as one of the user's."""
    lab = Lab(tmp_path / "lab").set_up()
    request = KernelRequest(base="6.1", series="none", arch=Arch.X86_64, source=str(TREE))
    there = kernel_inputs(request, store=lab.store, log=lab.log, kernels=lab.kernels)
    shutil.copy(lab.kernels / "6.1.toml", own / "kernels/lab.toml")
    shutil.copy(lab.kernels / "fragments/all.config", own / "kernels/fragments/all.config")
    here = kernel_inputs(
        KernelRequest(base="lab", series="none", arch=Arch.X86_64, source=str(TREE)),
        store=lab.store,
        log=lab.log,
    )
    assert there is not None and here is not None
    assert digest_value(here | {"base": "6.1"}) == digest_value(there)


def test_a_name_for_two_files_is_refused_when_it_is_used(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path / "other")
    monkeypatch.setenv(places.PATH, f"{own}{os.pathsep}{other}{os.pathsep}")
    for use, what in (
        (lambda: load_base("mine"), "base mine"),
        (lambda: load_machine("box"), "machine box"),
        (lambda: load_series("v4", "mine"), "series v4 for mine"),
        (lambda: load_revision("mine-too"), "revision.toml of mine-too"),
    ):
        said = rf"^{other}/\S+: {re.escape(what)} is also in {own}/\S+ \(rename one of the two\)$"
        with pytest.raises(InputError, match=said):
            use()
    assert load_base("6.1").file == KERNELS / "6.1.toml"
    states = [(check.state, check.detail) for check in _folders()]
    assert [state for state, _ in states[:2]] == [CheckLevel.OK, CheckLevel.OK]
    assert states[0][1] == f"{own}: 1 bases, 2 series, 1 machines, 1 campaigns"
    assert {CheckLevel.MISSING} == {state for state, _ in states[2:]}
    assert any("base mine is also in" in detail for _, detail in states[2:])


def test_a_base_of_ours_is_not_changed_by_a_folder(own: Path) -> None:
    shutil.copy(own / "kernels/mine.toml", own / "kernels/6.1.toml")
    (own / "kernels/fragments/testbed.config").write_text("CONFIG_OTHER=y\n")
    with pytest.raises(InputError, match=r"base 6\.1 is also in"):
        load_base("6.1")
    assert KERNELS / "fragments/testbed.config" in load_base("6.12").config(Arch.X86_64)


@pytest.mark.parametrize(
    "words",
    [
        ["--base-dir", "OWN", "kernel", "list", "--json"],
        ["--base-dir=OWN", "kernel", "list", "--json"],
        ["kernel", "list", "--base-dir", "OWN", "--json"],
    ],
)
def test_the_option_stands_before_or_after_the_command(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write(tmp_path / "kernel")  # a folder may be called as a command is
    monkeypatch.delenv(places.PATH, raising=False)
    assert main([word.replace("OWN", str(folder)) for word in words]) == 0
    rows = {row["base"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["file"] == str(folder / "kernels/mine.toml")
    assert rows["6.1"]["file"] is None
    assert places.PATH not in os.environ, "the next command in this process has it too"


def test_lists_say_from_where(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "list"]) == 0
    assert "mine" in capsys.readouterr().out
    assert main(["series", "list"]) == 0
    said = capsys.readouterr().out
    assert f"v4 for mine is in {own}/patches/mem_notify/v4/mine\n" in said
    assert main(["series", "list", "--json"]) == 0
    rows = {row["revision"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["v4"]["elsewhere"] == {"mine": f"{own}/patches/mem_notify/v4/mine"}
    assert "elsewhere" not in rows["v5"]


@pytest.mark.parametrize("given", ["nowhere", "a-file"])
def test_a_folder_that_is_none_is_one_line(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").touch()
    assert main(["--base-dir", str(tmp_path / given), "series", "list"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    hint = f"{places.PATH} or --base-dir names it"
    assert line == f"memnotify: {tmp_path / given}: there is no such folder ({hint})"


def test_campaigns_of_a_folder_have_short_names(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "campaigns/own.toml", "--plan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [kernel["series"] for kernel in found["kernels"]] == ["none", "v4", "mine-too"]


def test_processes_that_are_started_inherit_the_folders(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As workers of xdist do; a relative folder is one of the folder of the first process."""
    monkeypatch.chdir(own.parent)
    code = "from memnotify.kernel.base import bases; print(*bases())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, places.PATH: "own"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "mine" in done.stdout.split()
