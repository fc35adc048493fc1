"""Everything that can be wrong with a campaign's preferred base, without stopping the campaign.

Bases, series and sources are made up, in the folder that MEMNOTIFY_HOME names.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memnotify.places import HOME

from tests.support.campaign_text import head, scenario
from tests.support.fakekernel import TREE
from tests.support.website import Site, serve

BASE = """\
version = '6\\.1\\.7'
[[source]]
kind = "pieces"
[[source.piece]]
name = "linux.tar"
folders = ["{site}{name}/"]
{more}
[arch.x86_64]
config = ["all.config"]
make = {{ ARCH = "x86_64", HOLD = "/nonexistent" }}
[tools]
gcc = "gcc"
"""
PATCH = """\
[[source.piece]]
name = "patch"
folders = ["{site}{name}/"]
"""
CHOOSE = """\
import sys
from pathlib import Path
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.campaign.load import load_campaign
from memnotify.store import Store
store = Store(Path(sys.argv[2]))
campaign = load_campaign(Path(sys.argv[1]))
boot = {} if "boot" in sys.argv else {"boot": lambda *_, **__: None}
print("chosen", choose_base(campaign, Preparing(store=store, say=print), **boot))
"""
SERIES = """\
--- a/mm/vmscan.c
+++ b/mm/vmscan.c
@@ -1,{count} +1,{more} @@
+int patched;
{context}"""


def text_for(name: str) -> str:
    """Return a campaign for the bases `name`, `sound` and `last`."""
    text = head(
        base=[name, "sound", "last"],
        series=["none", "v1"],
        memory_mib=64,
        machine="pc",
        scenario="idle",
    )
    return text + scenario("idle", (1, "balloon = { percent = 75 }"), duration_s=10)


def diff(context: list[str]) -> str:
    lines = "".join(f" {line}\n" for line in context)
    return SERIES.format(count=len(context), more=len(context) + 1, context=lines)


def tarball(**changes: str) -> bytes:
    """Pack the tree, with other text in some files: `mm__vmscan_c` is mm/vmscan.c."""
    texts = {name.replace("__", "/").replace("_c", ".c"): text for name, text in changes.items()}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted(path for path in TREE.rglob("*") if path.is_file()):
            name = str(path.relative_to(TREE))
            content = texts.get(name, path.read_text()).encode()
            info = tarfile.TarInfo(f"linux/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Lab:
    """A home with the base `sound`, the series v1 for it, and only the file of the base `last`."""

    def __init__(self, root: Path, site: Site) -> None:
        self.root, self.site = root, site
        (root / "kernels/fragments").mkdir(parents=True)
        (root / "kernels/fragments/all.config").write_text("CONFIG_SWAP=y\n")
        (root / "images").symlink_to(HOME / "images")
        (root / "patches/mem_notify/v4").mkdir(parents=True)
        mail = "patches/mem_notify/v4/original"  # the guest program contains its example
        (root / mail).symlink_to(HOME / mail)
        self.context = (TREE / "mm/vmscan.c").read_text().splitlines()[:3]
        self.add("sound", tarball())
        self.add("last", b"")

    def add(
        self, name: str, linux: bytes, *, patch: bytes | None = None, series: str | None = None
    ) -> None:
        self.site.put(f"{name}/linux.tar.gz", gzip.compress(linux))
        if patch is not None:
            self.site.put(f"{name}/patch.gz", gzip.compress(patch))
        more = "" if patch is None else PATCH.format(site=self.site.address, name=name)
        text = BASE.format(site=self.site.address, name=name, more=more)
        (self.root / f"kernels/{name}.toml").write_text(text)
        folder = self.root / "patches/mem_notify/v1" / name
        folder.mkdir(parents=True)
        (folder / "series").write_text("a.patch\n")
        (folder / "a.patch").write_text(series or diff(self.context))

    def choose(self, name: str, *more: str) -> list[str]:
        """Return what is said for the bases `name`, `sound` and `last`.

        The kernels are also made up; they are only really booted with "boot".
        """
        campaign = self.root / "try.toml"
        campaign.write_text(text_for(name))
        done = subprocess.run(
            [sys.executable, "-c", CHOOSE, campaign, self.root / "store", *more],
            env={**os.environ, "MEMNOTIFY_HOME": str(self.root)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    def plan(self, name: str, *more: str) -> tuple[dict[str, Any], str]:
        """Return what `run --plan` says for the same bases: for programs, and for people."""
        campaign = self.root / "try.toml"
        campaign.write_text(text_for(name))
        cache = self.root / "cache"
        cache.mkdir(exist_ok=True)
        if not (cache / "memnotify").is_symlink():
            (cache / "memnotify").symlink_to(self.root / "store")
        words = [sys.executable, "-m", "memnotify.cli.main", "run", str(campaign), "--plan", *more]
        told = [
            subprocess.run(
                [*words, *option],
                env={
                    **os.environ,
                    "MEMNOTIFY_HOME": str(self.root),
                    "XDG_CACHE_HOME": str(cache),
                    "COLUMNS": "200",
                },
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                cwd=self.root,
            ).stdout
            for option in (["--json"], [])
        ]
        found: dict[str, Any] = json.loads(told[0])
        return found, told[1]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with serve(tmp_path / "site") as site:
        yield Lab(tmp_path / "home", site)


def test_a_base_with_all_that_it_needs_is_taken(lab: Lab) -> None:
    lab.add("good", tarball())
    *_, line, chosen = lab.choose("good")
    assert chosen == "chosen good"
    assert line == f"base good, from {lab.site.address}good/linux.tar.gz"
    assert len(list((lab.root / "store/kernel").glob("*/bzImage"))) == 2


def test_one_that_is_not_sound_is_passed_over(lab: Lab) -> None:
    vmscan = (TREE / "mm/vmscan.c").read_text()
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../evil"))
    wrong = (TREE / "Makefile").read_text().replace("SUBLEVEL = 7", "SUBLEVEL = 8")
    lab.add("corrupt", tarball()[:2000])
    lab.add("hostile", evil.getvalue())
    lab.add("misfit", tarball(), patch=diff(["int nothing;"]).encode())
    lab.add("other", tarball(Makefile=wrong))
    lab.add("apart", tarball(), series=diff(["int nothing;"]))
    lab.add("broken", tarball(mm__vmscan_c=vmscan + "\nint broken\n"))
    for name, reason in {
        "corrupt": "no source of corrupt is available: ",
        "hostile": "no source of hostile is available: ",
        "misfit": "does not apply to the result of the preceding parts: mm/vmscan.c hunk 1",
        "other": "is Linux 6.1.8, which is not other",
        "apart": "v1/apart/a.patch:3: hunk 1 of 1 does not apply to mm/vmscan.c",
        "broken": "broken v1 x86_64 failed to build: mm/vmscan.c:",
    }.items():
        *said, chosen = lab.choose(name)
        line = next(line for line in said if line.startswith("base "))
        assert chosen == "chosen sound", line
        assert line.startswith(
            f"base sound, from {lab.site.address}sound/linux.tar.gz; not {name}: "
        )
        assert reason in line


def test_nothing_is_compiled_for_a_series_that_does_not_apply(lab: Lab) -> None:
    lab.add("apart", tarball(), series=diff(["int nothing;"]))
    said = lab.choose("apart")
    assert said[-1] == "chosen sound"
    assert not [line for line in said if line.startswith("building apart")]


def test_a_kernel_that_does_not_boot_is_passed_over(lab: Lab) -> None:
    lab.add("mute", tarball())
    *_, line, chosen = lab.choose("mute", "boot")
    assert chosen == "chosen last"
    assert "; not mute or sound: QEMU exited by itself" in line


def test_a_plan_says_what_is_there_and_does_nothing(lab: Lab) -> None:
    lab.add("good", tarball())
    (lab.root / "store").mkdir()
    found, text = lab.plan("good")
    assert [base["base"] for base in found["bases"]] == ["good", "sound", "last"]
    assert {base["source"] for base in found["bases"]} == {"not available: to be fetched"}
    assert [(row["base"], row["series"], row["cells"]) for row in found["kernels"][:3]] == [
        ("good", "none", 1),
        ("good", "v1", 1),
        ("sound", "none", 1),
    ]
    assert {row["state"] for row in found["kernels"]} == {"to build, once the source is available"}
    (guests,) = found["guests"]
    assert (guests["machine"], guests["memory_mib"], guests["cells"]) == ("pc", 64, 2)
    assert 64 + 130 < guests["takes_mib"] < 400 and guests["fits"]
    assert found["cells"] == 2
    assert found["memory_mib"] > found["capacity"]["memory_mib"] > 0
    assert "the first base that is available" in text and "not available: to be fetched" in text
    assert f"{guests['takes_mib']} MiB, 1 core" in text
    assert f"2 cells; guests may use {found['capacity']['memory_mib']} MiB of the host's" in text
    assert not {"kernel", "source", "image", "template"} & made(lab.root / "store")
    assert made(lab.root).isdisjoint({"runs"})

    assert lab.choose("good")[-1] == "chosen good"
    found, text = lab.plan("good")
    assert found["bases"][0]["source"] == "in the store: 6.1.7"
    states = [row["state"] for row in found["kernels"]]
    assert states[:2] == ["in the store"] * 2 and "in the store" not in states[2:]
    assert "in the store" in text


def test_a_plan_takes_in_no_source_that_is_given(lab: Lab) -> None:
    lab.add("good", tarball())
    (lab.root / "store").mkdir()
    found, _ = lab.plan("good", "--source", str(TREE))
    assert {row["state"] for row in found["kernels"]} == {"to build"}
    assert "source" not in made(lab.root / "store")


def made(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
